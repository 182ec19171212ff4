"""Error budgets on a real Valkey: counted once by one script, in a sliding window, with levels that replicas share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.resources import Autonomy
from amas_policy_sidecar.adapters.redis_autonomy import RedisAutonomy
from amas_policy_sidecar.domain.autonomy import Level, Standing, Subject, Tally
from amas_policy_sidecar.ports import Count
from redis.asyncio import Redis

from .processes import PATIENCE, PAUSE

pytestmark = pytest.mark.integration


def subject(name: str = "role:publisher", window: str = "24h") -> Subject:
    return Subject(name, Autonomy.model_validate({"objective": "90%", "window": window}))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisAutonomy]:
    redis = Redis.from_url(redis_url)
    yield RedisAutonomy(redis)
    await redis.aclose()


async def count(store: RedisAutonomy, key: str, *bad: bool, tenant: str = "acme") -> None:
    names = ("role:publisher", "service")
    await store.count(tenant, key, [Count(subject(name), one) for name, one in zip(names, bad, strict=False)])


async def test_each_key_counts_once_for_each_subject(store: RedisAutonomy) -> None:
    """A retry adds nothing, also with another end; each subject has its own share of good and bad."""
    await count(store, "a", False, False)
    await count(store, "b", True, False)
    await count(store, "b", False, True)
    assert (await store.read("acme", subject())).tally == Tally(2, 1)
    assert (await store.read("acme", subject("service"))).tally == Tally(2, 0)


async def test_a_race_of_retries_counts_once(store: RedisAutonomy) -> None:
    """Replicas that end the same action at the same time count it once."""
    await asyncio.gather(*(count(store, "same", True) for _ in range(20)))
    assert (await store.read("acme", subject())).tally == Tally(1, 1)


async def test_tenants_and_windows_are_apart(store: RedisAutonomy) -> None:
    """I8: another tenant's failures burn nobody else's budget; another window begins to count anew."""
    await count(store, "a", True)
    assert (await store.read("globex", subject())).tally == Tally(0, 0)
    assert (await store.read("acme", subject(window="1h"))).tally == Tally(0, 0)


async def test_what_left_the_window_is_forgotten(store: RedisAutonomy) -> None:
    """A failure burns the budget for the length of the window, and not longer."""
    short = subject(window="24s")
    await store.count("acme", "a", [Count(short, bad=True)])
    assert (await store.read("acme", short)).tally == Tally(1, 1)
    async with asyncio.timeout(PATIENCE + 30):
        while (await store.read("acme", short)).tally != Tally(0, 0):  # noqa: ASYNC110 - the store sets no event
            await asyncio.sleep(PAUSE)


async def test_a_level_changes_only_from_what_was_read(store: RedisAutonomy) -> None:
    """Of two replicas that move a level at the same moment one loses, and reads again."""
    first = Standing(Level.REDUCED, 12.25)
    assert (await store.read("acme", subject())).standing is None
    assert await store.move("acme", subject(), None, first)
    assert not await store.move("acme", subject(), None, Standing(Level.FULL, 13.0))
    assert (await store.read("acme", subject())).standing == first
    assert await store.move("acme", subject(), first, Standing(Level.NONE, 1_764_000_000.123456))
    assert (await store.read("acme", subject())).standing == Standing(Level.NONE, 1_764_000_000.123456)
    assert (await store.read("globex", subject())).standing is None


async def test_a_store_that_is_away_answers_nothing() -> None:
    """I2: neither a tally nor a level is guessed."""
    redis = Redis.from_url("redis://127.0.0.1:9/0", socket_connect_timeout=1)
    store = RedisAutonomy(redis)
    for call in (
        lambda: store.read("acme", subject()),
        lambda: count(store, "a", True),
        lambda: store.move("acme", subject(), None, Standing(Level.FULL, 0.0)),
    ):
        with pytest.raises(AmasError) as caught:
            await call()
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "QUOTA_UNAVAILABLE")
    await redis.aclose()
