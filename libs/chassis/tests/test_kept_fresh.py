"""A value kept fresh: from memory while its lease lasts, read by whoever asks after that, never older."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.kept_fresh import KeptFresh

LEASE = 1.0


class Source:
    """Counts its readings; fails when told; waits while `gate` is not set."""

    def __init__(self) -> None:
        self.readings = 0
        self.away = False
        self.gate: asyncio.Event | None = None

    async def read(self) -> int:
        self.readings += 1
        number = self.readings
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise AmasError(ErrorKind.UNAVAILABLE, "AWAY", "away")
        return number


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; other tasks run meanwhile."""
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def kept(source: Source, clock: ManualClock) -> KeptFresh[int]:
    return KeptFresh("numbers", source.read, clock, interval=0.0, lease=LEASE)


async def test_within_the_lease_nothing_is_read(kept: KeptFresh[int], source: Source, clock: ManualClock) -> None:
    """The hot path finds the value in memory; the moment that the lease ends, it does not."""
    assert kept.at_hand is None
    assert await kept.get() == 1
    clock.advance(LEASE * 0.99)
    assert (kept.at_hand, await kept.get(), source.readings) == (1, 1, 1)
    clock.advance(LEASE * 0.01)
    assert kept.at_hand is None
    assert await kept.get() == 2


async def test_a_lease_counts_from_the_question(kept: KeptFresh[int], source: Source, clock: ManualClock) -> None:
    """A slow answer is as old as its question: it may have been true only then."""
    source.gate = asyncio.Event()
    reading = asyncio.ensure_future(kept.get())
    await until(lambda: source.readings == 1)
    clock.advance(LEASE)
    source.gate.set()
    await reading
    assert kept.at_hand is None


async def test_who_waits_for_a_reading_that_fails_is_told_with_it(kept: KeptFresh[int], source: Source) -> None:
    """A source that answers nobody costs each caller two readings at most, not one for each who asked before it."""
    source.away, source.gate = True, asyncio.Event()
    first = asyncio.ensure_future(kept.get())
    await until(lambda: source.readings == 1)
    others = [asyncio.ensure_future(kept.get()) for _ in range(10)]
    await asyncio.sleep(0)
    source.gate.set()
    told = await asyncio.gather(first, *others, return_exceptions=True)
    assert [getattr(error, "reason", None) for error in told] == ["AWAY"] * 11
    assert source.readings == 2
    source.away = False
    assert await kept.get() == 3


async def test_nothing_older_than_the_lease_is_answered(
    kept: KeptFresh[int], source: Source, clock: ManualClock
) -> None:
    """Fail closed: the error of the reading is the answer, and the old value is not."""
    await kept.get()
    source.away = True
    clock.advance(LEASE)
    with pytest.raises(AmasError):
        await kept.get()
    assert kept.last == 1


async def test_ready_once_it_was_read(kept: KeptFresh[int], source: Source, clock: ManualClock) -> None:
    """A process is not ready before it knows; after that, its source may go away."""
    source.away = True
    with pytest.raises(AmasError):
        await kept.check()
    source.away = False
    await kept.check()
    source.away = True
    clock.advance(LEASE)
    await kept.check()


async def test_who_asks_at_once_shares_one_reading(kept: KeptFresh[int], source: Source) -> None:
    """A burst of callers with nothing at hand costs one reading."""
    assert await asyncio.gather(*(kept.get() for _ in range(50))) == [1] * 50
    assert source.readings == 1


async def test_a_late_answer_does_not_replace_a_newer_one(
    kept: KeptFresh[int], source: Source, clock: ManualClock
) -> None:
    """Two readings under way: the one that was asked for first loses, whenever it comes."""
    source.gate = asyncio.Event()
    slow = asyncio.ensure_future(kept.read_now())
    await until(lambda: source.readings == 1)
    gate, source.gate = source.gate, None
    clock.advance(0.1)
    assert await kept.read_now() == 2
    gate.set()
    await slow
    assert kept.at_hand == 2


async def test_the_background_goes_on_after_a_failure(kept: KeptFresh[int], source: Source) -> None:
    """What reads ahead outlives any error of the source."""
    source.away = True
    work = asyncio.ensure_future(kept.run())
    await until(lambda: source.readings >= 3)
    source.away = False
    await until(lambda: kept.at_hand is not None)
    assert not work.done()
    work.cancel()
