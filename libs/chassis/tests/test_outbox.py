from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from amas_chassis import outbox
from amas_chassis.errors import AmasError, ErrorKind
from amas_chassis.outbox import Outbox


class FarSide:
    """Takes items, unless it is away or refuses one; and what the outbox told."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.away = False
        self.away_as = ErrorKind.UNAVAILABLE
        self.refuses: set[int] = set()
        self.tries = 0
        self.waiting = 0
        self.lost: Counter[str] = Counter()

    async def take(self, items: Sequence[int]) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if self.away:
            raise AmasError(self.away_as, "AWAY", "away")
        if self.refuses & set(items):
            raise AmasError(ErrorKind.INVALID_ARGUMENT, "ODD", "odd")
        self.taken.extend(items)

    def outbox_waiting(self, items: int) -> None:
        self.waiting = items

    def outbox_lost(self, reason: str, items: int) -> None:
        self.lost[reason] += items


@pytest.fixture
def far() -> FarSide:
    return FarSide()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(outbox, "LAST_PAUSE", 0.0)


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110 - what is waited for is a counter of the fake
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", [ErrorKind.UNAVAILABLE, ErrorKind.ABORTED])
async def test_items_arrive_in_order_once_the_far_side_is_back(far: FarSide, kind: ErrorKind) -> None:
    """Nothing is given up while the other side is away or ends its calls, however often it was asked."""
    far.away_as = kind
    box: Outbox[int] = Outbox("numbers", far.take, far)
    running = asyncio.create_task(box.run())
    far.away = True
    for number in range(300):
        assert box.put(number)
    await _until(lambda: far.tries > 20)
    assert far.waiting == 300
    far.away = False
    await _until(lambda: far.waiting == 0)
    assert far.taken == list(range(300))
    box.put(300)
    await _until(lambda: far.taken[-1] == 300)
    running.cancel()
    assert not far.lost


async def test_a_full_outbox_refuses_new_work_before_it_must_lose_anything(
    far: FarSide, caplog: pytest.LogCaptureFixture
) -> None:
    """New work is refused while what is under way still has room; beyond the bound each loss is counted and logged."""
    box: Outbox[int] = Outbox("numbers", far.take, far, most=8)
    for number in range(6):
        box.check_room()
        assert box.put(number)
    with pytest.raises(AmasError) as refused:
        box.check_room()
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.UNAVAILABLE, "OUTBOX_FULL")
    assert [box.put(number) for number in range(6, 9)] == [True, True, False]
    assert far.lost == {"full": 1}
    assert "numbers are lost" in [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    await box.close(10)
    assert far.taken == list(range(8))


async def test_one_that_is_refused_for_good_holds_up_none(far: FarSide) -> None:
    """It is counted as refused, and its neighbours arrive."""
    box: Outbox[int] = Outbox("numbers", far.take, far)
    far.refuses = {3}
    for number in range(6):
        box.put(number)
    await box.close(10)
    assert far.taken == [0, 1, 2, 4, 5]
    assert far.lost == {"refused": 1}


async def test_a_drain_ends_in_time_and_says_what_it_left(far: FarSide) -> None:
    """An exit is not held up for ever by a far side that is away."""
    box: Outbox[int] = Outbox("numbers", far.take, far)
    far.away = True
    box.put(1)
    box.put(2)
    await box.close(0.05)
    assert far.lost == {"exit": 2}


async def test_a_send_that_is_cut_by_the_drain_is_sent_again(far: FarSide) -> None:
    """An item leaves only when the other side has said that it has it; it may come twice, never not at all."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def take(items: Sequence[int]) -> None:
        entered.set()
        await gate.wait()
        await far.take(items)

    box: Outbox[int] = Outbox("numbers", take, far)
    running = asyncio.create_task(box.run())
    box.put(1)
    await entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    gate.set()
    await box.close(10)
    assert far.taken == [1]
