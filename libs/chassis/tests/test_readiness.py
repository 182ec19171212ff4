"""Readiness: checks are asked, bounded, and their answers kept briefly."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from amas_chassis import readiness
from amas_chassis.clock import ManualClock
from amas_chassis.readiness import CACHE_SECONDS, Readiness


class Store:
    """A dependency that a test breaks and mends."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False

    async def check(self) -> None:
        self.asked += 1
        if self.broken:
            raise ConnectionError("redis://:secret@host")


def started(store: Store, clock: ManualClock) -> Readiness:
    """Readiness of a process that has started."""
    made = Readiness({"store": store.check}, clock)
    made.accept(True)
    return made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


async def test_an_answer_is_kept_for_a_second_and_then_asked_again(clock: ManualClock) -> None:
    """Many probes cost one query; a break shows within the second, and so does the mend."""
    store = Store()
    ready = started(store, clock)
    assert all(await asyncio.gather(*(ready.ready() for _ in range(10))))
    assert store.asked == 1
    store.broken = True
    clock.advance(CACHE_SECONDS)
    assert await ready.problems() == {"store": "ConnectionError"}
    store.broken = False
    clock.advance(CACHE_SECONDS)
    assert await ready.ready()


async def test_a_check_that_hangs_is_not_ready(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dependency that does not answer counts as failed, and the probe is answered in time."""
    monkeypatch.setattr(readiness, "CHECK_TIMEOUT_SECONDS", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    ready = Readiness({"store": hang}, clock)
    ready.accept(True)
    assert "no answer" in (await ready.problems())["store"]


async def test_not_ready_before_the_start_and_from_the_drain_on(clock: ManualClock) -> None:
    """A process that does not take work is not ready, and asks nobody."""
    store = Store()
    ready = Readiness({"store": store.check}, clock)
    assert not await ready.ready()
    ready.accept(True)
    assert await ready.ready()
    ready.accept(False)
    assert not await ready.ready()
    assert store.asked == 1
