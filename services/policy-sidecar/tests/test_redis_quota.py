"""Quotas on a real Valkey: one script, so that no retry is counted twice and no race gets past a bound."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.revocations import Revoked
from amas_policy_sidecar.adapters.redis_quota import RedisQuota
from amas_policy_sidecar.adapters.redis_revocations import RedisRevocations
from amas_policy_sidecar.domain.contract import CallLimit
from amas_policy_sidecar.domain.quota import QuotaAnswer, QuotaClaim

from .processes import PATIENCE, PAUSE

pytestmark = pytest.mark.integration

GRANTED, EXCEEDED = QuotaAnswer.GRANTED, QuotaAnswer.CALLS_EXCEEDED
LATE, BUSY = QuotaAnswer.RATE_EXCEEDED, QuotaAnswer.BUSY


def claim(key: str, **changes: Any) -> QuotaClaim:
    values: dict[str, Any] = {
        "tenant": "acme",
        "run_id": "run-1",
        "tool": "git/commit",
        "server": "git",
        "key": key,
        "call_limits": (CallLimit("publisher", 2),),
        "rate_count": None,
        "rate_per": 0.0,
        "concurrency": 100,
        "lease": 60.0,
    }
    return QuotaClaim(**{**values, **changes})


@pytest.fixture
async def store(redis_url: str) -> str:
    """URL of a store that knows that nothing is revoked."""
    revocations = RedisRevocations.connect(redis_url, SystemClock())
    await revocations.replace(Revoked(1))
    await revocations.close()
    return redis_url


@pytest.fixture
async def quota(store: str) -> AsyncIterator[RedisQuota]:
    made = RedisQuota.connect(store)
    yield made
    await made.close()


async def take(quota: RedisQuota, *claims: QuotaClaim) -> list[QuotaAnswer]:
    return [(await quota.take(one)).answer for one in claims]


async def granted(quota: RedisQuota, one: QuotaClaim) -> None:
    """Return once the claim is granted."""
    async with asyncio.timeout(PATIENCE):
        while (await quota.take(one)).answer is not GRANTED:  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(PAUSE)


async def test_calls_are_counted_by_key(quota: RedisQuota) -> None:
    """A retry adds nothing; a third key is one too many; another run, tenant or tool starts anew (I8)."""
    assert await take(quota, claim("1"), claim("2"), claim("1"), claim("3")) == [GRANTED, GRANTED, GRANTED, EXCEEDED]
    others = [claim("4", run_id="run-2"), claim("4", tenant="globex"), claim("4", tool="git/tag")]
    assert await take(quota, *others) == [GRANTED] * 3


async def test_a_look_takes_nothing(quota: RedisQuota) -> None:
    """A dry run may be made as often as one likes."""
    for number in range(5):
        assert (await quota.peek(claim(str(number)))).answer is GRANTED
    assert await take(quota, claim("1"), claim("2")) == [GRANTED, GRANTED]
    assert (await quota.peek(claim("3"))).answer is EXCEEDED


async def test_every_role_of_a_chain_has_its_limit(quota: RedisQuota) -> None:
    """All limits at once or none: what the inner role may still do, the outer one's limit can refuse."""
    chain = (CallLimit("outer", 1), CallLimit("inner", None))
    assert await take(quota, claim("1", call_limits=chain), claim("2", call_limits=chain)) == [GRANTED, EXCEEDED]
    inner = (CallLimit("inner", 2),)
    assert await take(quota, claim("3", call_limits=inner), claim("4", call_limits=inner)) == [GRANTED, EXCEEDED]


async def test_no_race_gets_past_a_limit(store: str) -> None:
    """Replicas with connections of their own ask at once: exactly as many as the limit says get through."""
    replicas = [RedisQuota.connect(store) for _ in range(4)]
    limit = (CallLimit("publisher", 7),)
    claims = [claim(str(number), call_limits=limit) for number in range(40)]
    verdicts = await asyncio.gather(*(replicas[n % 4].take(one) for n, one in enumerate(claims)))
    assert sum(verdict.answer is GRANTED for verdict in verdicts) == 7
    for replica in replicas:
        await replica.close()


async def test_a_rate_holds_and_says_when(quota: RedisQuota) -> None:
    """GCRA: the burst passes, the next is told how long to wait, a retry costs nothing."""
    slow = {"rate_count": 2, "rate_per": 60.0, "call_limits": (CallLimit("publisher", None),)}
    assert await take(quota, claim("1", **slow), claim("2", **slow), claim("2", **slow)) == [GRANTED] * 3
    verdict = await quota.take(claim("3", **slow))
    assert verdict.answer is LATE
    assert 25 < verdict.retry_after <= 30
    assert await take(quota, claim("3", tenant="globex", **slow)) == [GRANTED]


async def test_a_rate_recovers(quota: RedisQuota) -> None:
    """After the time that was told the call gets through."""
    fast = {"rate_count": 20, "rate_per": 1.0, "call_limits": (CallLimit("publisher", None),)}
    for number in range(20):
        await quota.take(claim(str(number), **fast))
    await granted(quota, claim("last", **fast))


async def test_places_are_taken_given_back_and_end_by_themselves(quota: RedisQuota) -> None:
    """The concurrency bound holds over replicas, and a place that nobody gives back is free after its lease."""
    two = {"concurrency": 2, "call_limits": ()}
    assert await take(quota, claim("1", **two), claim("2", **two), claim("3", **two)) == [GRANTED, GRANTED, BUSY]
    await quota.give_back(claim("1", **two))
    assert await take(quota, claim("3", **two)) == [GRANTED]
    await quota.give_back(claim("2", **two))
    short = {**two, "concurrency": 2, "lease": 0.05}
    assert await take(quota, claim("4", **short)) == [GRANTED]
    await granted(quota, claim("5", **two))


async def test_a_refused_claim_takes_no_part_of_itself(quota: RedisQuota) -> None:
    """Calls, rate and place are one decision: refused for one, none of the others is spent."""
    full = {"concurrency": 1, "call_limits": (CallLimit("publisher", 1),)}
    await quota.take(claim("other", concurrency=1, call_limits=(), run_id="run-9"))
    assert await take(quota, claim("1", **full)) == [BUSY]
    await quota.give_back(claim("other"))
    assert await take(quota, claim("2", **full)) == [GRANTED]


async def test_braces_and_separators_in_ids_form_no_other_key(quota: RedisQuota) -> None:
    """I8: ids come from callers and cannot be made to count for another run."""
    one = (CallLimit("publisher", 1),)
    pairs = [("run}:calls", "a/b"), ("run", "}:calls:a/b"), ("run\0publisher", "a/b"), ("run", "publisher\0a/b")]
    claims = [claim(str(n), run_id=run, tool=tool, call_limits=one) for n, (run, tool) in enumerate(pairs)]
    assert await take(quota, *claims) == [GRANTED] * 4


@pytest.mark.parametrize("port", ["closed", "silent"])
async def test_a_store_that_does_not_answer_is_an_error(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """I2: nobody there, or somebody who says nothing: UNAVAILABLE in bounded time, never an answer."""
    monkeypatch.setattr("amas_policy_sidecar.adapters.redis_quota.TIMEOUT", 0.2)
    done = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    listener = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    number = listener.sockets[0].getsockname()[1]
    if port == "closed":
        listener.close()
        await listener.wait_closed()
    quota = RedisQuota.connect(f"redis://127.0.0.1:{number}/0")
    for ask in (quota.take(claim("1")), quota.peek(claim("1")), quota.check()):
        with pytest.raises(AmasError) as caught:
            await ask
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "QUOTA_UNAVAILABLE")
    await quota.give_back(claim("1"))
    await quota.close()
    done.set()
    listener.close()
    with contextlib.suppress(ConnectionError):
        await listener.wait_closed()
