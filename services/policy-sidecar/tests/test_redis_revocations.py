"""Revocations on a real Valkey: three sidecars on one store, a store that lost its data, a store that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from amas_chassis.clock import ManualClock, SystemClock
from amas_chassis.errors import AmasError
from amas_governance.revocations import Revocable, RevocationKind, Revoked
from amas_policy_sidecar.adapters.redis_quota import RedisQuota
from amas_policy_sidecar.adapters.redis_revocations import INTERVAL, KEY, LEASE, RedisRevocations
from amas_policy_sidecar.domain.quota import QuotaAnswer
from redis.asyncio import Redis

from .processes import PATIENCE, PAUSE
from .quota_claims import bound, claim

TWO = bound(calls=2)

pytestmark = pytest.mark.integration

WRITER = Revocable("acme", RevocationKind.ROLE, "writer")
# A name that tries to be another one's key, and the store's own field.
ODD = Revocable("acme", RevocationKind.PRINCIPAL, 'x","role","writer')
VERSION = Revocable("acme", RevocationKind.PRINCIPAL, "version")
NOTHING = Revoked(1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
async def replicas(redis_url: str, clock: ManualClock) -> AsyncIterator[list[RedisRevocations]]:
    made = [RedisRevocations.connect(redis_url, clock) for _ in range(3)]
    yield made
    for one in made:
        await one.close()


@pytest.fixture
async def quota(redis_url: str) -> AsyncIterator[RedisQuota]:
    made = RedisQuota.connect(redis_url, SystemClock())
    yield made
    await made.close()


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    made = Redis.from_url(redis_url)
    yield made
    await made.aclose()


async def reason_of(revocations: RedisRevocations) -> str:
    with pytest.raises(AmasError) as caught:
        await revocations.current()
    return caught.value.reason


async def test_what_one_sidecar_writes_all_know(replicas: list[RedisRevocations], clock: ManualClock) -> None:
    """Three sidecars on one store: a set that one of them was given is known to all after their lease at the latest."""
    for one in replicas:
        await one.replace(NOTHING)
        assert await one.current() == NOTHING
    wanted = Revoked(2, frozenset({WRITER, ODD, VERSION}))
    assert await replicas[0].replace(wanted) == 2
    clock.advance(LEASE)
    for one in replicas:
        assert await one.current() == wanted


async def test_a_lease_is_within_the_promise() -> None:
    """A second after a revocation nothing is decided without it, also if a look was late by a whole lease."""
    assert INTERVAL < LEASE < 1.0


async def test_looks_go_on_by_themselves(replicas: list[RedisRevocations]) -> None:
    """Nobody has to ask for a revocation to be noticed: the work in the background reads it."""
    await replicas[0].replace(NOTHING)
    assert await replicas[1].current() == NOTHING
    looking = asyncio.ensure_future(replicas[1].run())
    await replicas[0].replace(Revoked(2, frozenset({WRITER})))
    async with asyncio.timeout(PATIENCE):
        # The clock stands still, so that only a look in the background can bring it.
        while (await replicas[1].current()).version < 2:  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(PAUSE)
    looking.cancel()


async def test_an_older_set_does_not_undo_a_newer_one(replicas: list[RedisRevocations]) -> None:
    """A replica that was slow, or an orchestrator that came too late, changes nothing."""
    newer = Revoked(5, frozenset({WRITER}))
    await replicas[0].replace(newer)
    assert await replicas[1].replace(Revoked(4)) == 5
    assert await replicas[1].replace(Revoked(5)) == 5
    assert await replicas[2].newest() == newer


async def test_the_claim_asks_in_the_same_step(replicas: list[RedisRevocations], quota: RedisQuota) -> None:
    """I1: no look is needed for a tool call: the script that takes the quota sees the revocation at once."""
    needs = (WRITER, Revocable("acme", RevocationKind.TOOL, "git"))
    await replicas[0].replace(NOTHING)
    assert (await quota.take(claim("1", TWO, needs=needs))).answer is QuotaAnswer.GRANTED
    await replicas[0].replace(Revoked(2, frozenset({needs[1]})))
    for call in (quota.take, quota.peek):
        verdict = await call(claim("2", TWO, needs=needs))
        assert (verdict.answer, verdict.revoked) == (QuotaAnswer.REVOKED, needs[1])
    # Refused before it was counted: the limit of two has one call left, once it is lifted.
    await replicas[0].replace(Revoked(3))
    assert (await quota.take(claim("2", TWO, needs=needs))).answer is QuotaAnswer.GRANTED
    verdict = await quota.take(claim("3", TWO, needs=needs, approvers=(WRITER,)))
    assert verdict.answer is QuotaAnswer.EXCEEDED


async def test_a_store_that_lost_its_data_knows_nothing(
    replicas: list[RedisRevocations], quota: RedisQuota, store: Redis, clock: ManualClock
) -> None:
    """I2: after a flush nothing is done, rather than everything, until the set was handed over again."""
    revoked = Revoked(2, frozenset({WRITER}))
    await replicas[0].replace(revoked)
    await store.flushall()
    clock.advance(LEASE)
    assert await reason_of(replicas[1]) == "REVOCATIONS_UNKNOWN"
    with pytest.raises(AmasError) as caught:
        await quota.take(claim("1"))
    assert caught.value.reason == "REVOCATIONS_UNKNOWN"
    assert await replicas[2].replace(revoked) == 2
    assert await replicas[1].current() == revoked


async def test_a_hash_without_its_version_was_lost(replicas: list[RedisRevocations], store: Redis) -> None:
    """Half a set is none."""
    await replicas[0].replace(Revoked(2, frozenset({WRITER})))
    await store.hdel(KEY, "version")
    assert await reason_of(replicas[1]) == "REVOCATIONS_UNKNOWN"


async def test_a_store_that_is_away_is_believed_for_a_lease(clock: ManualClock, redis_url: str) -> None:
    """Fail closed: what was read last holds for less than a second, then nothing is done."""
    client = Redis.from_url(redis_url)
    revocations = RedisRevocations(client, clock)
    await revocations.replace(NOTHING)
    assert await revocations.current() == NOTHING
    # Nobody listens there: as if the store had gone.
    await client.connection_pool.disconnect()
    client.connection_pool = Redis(port=1).connection_pool
    clock.advance(LEASE / 2)
    assert await revocations.current() == NOTHING
    clock.advance(LEASE / 2)
    assert await reason_of(revocations) == "REVOCATIONS_UNKNOWN"
    with pytest.raises(AmasError) as caught:
        await revocations.replace(Revoked(9))
    assert caught.value.reason == "REVOCATIONS_UNKNOWN"
    await revocations.close()
