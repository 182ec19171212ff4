"""ReadTimer: one deadline over many waits, and nobody else's cancellation taken for it."""

from __future__ import annotations

import asyncio

import pytest
from amas_chassis.read_timer import ReadTimer


async def _value(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def test_waits_within_the_time_give_their_results() -> None:
    """Many waits, one timer; an error passes as it is."""

    async def fails() -> int:
        raise ValueError("no")

    timer = ReadTimer(60)
    assert [await timer.wait(_value(number)) for number in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no"):
        await timer.wait(fails())
    timer.stop()


async def test_a_wait_beyond_the_time_ends_and_so_does_each_later_one() -> None:
    """The deadline is one for all waits, and the task goes on uncancelled."""
    timer = ReadTimer(0.01)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await timer.wait(asyncio.Event().wait())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_time_that_is_over_lets_nothing_begin_to_wait() -> None:
    """A wait that would block ends at once."""
    with pytest.raises(TimeoutError):
        await ReadTimer(0).wait(asyncio.Event().wait())


async def test_what_is_not_waiting_is_not_cut() -> None:
    """Between two waits the time may run out: the work there is left alone."""
    timer = ReadTimer(60)
    timer._fire()
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await timer.wait(asyncio.Event().wait())


async def test_a_cancellation_from_outside_stays_one() -> None:
    """Also when the time is over at the same moment."""
    timer = ReadTimer(60)

    async def waits() -> None:
        await timer.wait(asyncio.Event().wait())

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    timer._fire()
    with pytest.raises(asyncio.CancelledError):
        await task
    timer.stop()


async def test_a_timer_that_was_stopped_cuts_nothing() -> None:
    """A stream that has ended leaves nothing behind."""
    timer = ReadTimer(0.001)
    timer.stop()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.005, later.set)
    # Waits beyond the time that was stopped.
    assert await timer.wait(later.wait())


async def test_work_that_ends_in_spite_of_the_cut_leaves_nothing_behind() -> None:
    """Its result counts, and the task is not half cancelled afterwards."""

    async def stubborn() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 7
        raise AssertionError

    timer = ReadTimer(0.001)
    assert await timer.wait(stubborn()) == 7
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    async with asyncio.timeout(5):
        await asyncio.sleep(0)


async def test_two_deadlines_one_inside_the_other() -> None:
    """The inner one is told as the inner one's, and the outer goes on; both at once end the outer."""
    outer = ReadTimer(60)

    async def inner() -> str:
        timer = ReadTimer(0.001)
        with pytest.raises(TimeoutError):
            await timer.wait(asyncio.Event().wait())
        return "inner"

    assert await outer.wait(inner()) == "inner"

    async def both() -> None:
        timer = ReadTimer(60)
        loop = asyncio.get_running_loop()
        loop.call_soon(timer._fire)
        loop.call_soon(outer._fire)
        await timer.wait(asyncio.Event().wait())

    with pytest.raises(TimeoutError):
        await outer.wait(both())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    outer.stop()
