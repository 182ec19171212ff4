"""Batches: shared round trips, never a lost item or another's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from amas_chassis.batching import Batcher
from amas_chassis.errors import AmasError


class Place:
    """Answers twice the number, when it is let; remembers what came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.begun: asyncio.Queue[int] = asyncio.Queue()

    async def send(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.begun.put_nowait(len(items))
        await self.open.wait()
        return [ValueError(str(item)) if item < 0 else item * 2 for item in items]


async def test_what_comes_meanwhile_goes_together() -> None:
    """A lone item goes at once; those that come while it is under way share the next round trip."""
    place = Place()
    batcher = Batcher(place.send, most=100)
    first = asyncio.create_task(batcher.put(1))
    await place.begun.get()
    others = [asyncio.create_task(batcher.put(number)) for number in range(2, 6)]
    await asyncio.sleep(0)
    place.open.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert place.batches == [[1], [2, 3, 4, 5]]


async def test_an_item_fails_alone() -> None:
    """An exception among the results is that item's; the others have theirs."""
    place = Place()
    place.open.set()
    batcher = Batcher(place.send, most=2)
    results = await asyncio.gather(*(batcher.put(number) for number in (1, -1, 3)), return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], ValueError)
    assert results[2] == 6
    assert max(map(len, place.batches)) <= 2


async def test_a_failed_batch_fails_each_item_and_the_next_batch_goes() -> None:
    """A place that is away is told to everybody who waits for it, and is asked again by the next."""
    away = True

    async def send(items: Sequence[int]) -> Sequence[int]:
        if away:
            raise AmasError("UNAVAILABLE", "AWAY", "away")  # type: ignore[arg-type]
        return items

    batcher = Batcher(send, most=10)
    results = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert all(isinstance(result, AmasError) for result in results)
    away = False
    assert await batcher.put(3) == 3


async def test_a_waiter_that_leaves_takes_nothing_along() -> None:
    """Whoever is cancelled leaves the item to be sent, and the others are answered."""
    place = Place()
    batcher = Batcher(place.send, most=10)
    first = asyncio.create_task(batcher.put(1))
    await place.begun.get()
    left, stays = asyncio.create_task(batcher.put(2)), asyncio.create_task(batcher.put(3))
    await asyncio.sleep(0)
    left.cancel()
    place.open.set()
    assert await asyncio.gather(first, stays) == [2, 6]
    assert place.batches[1] == [2, 3]


async def test_the_queue_is_bounded() -> None:
    """A place that never answers fills a bounded queue; then callers are refused."""
    place = Place()
    batcher = Batcher(place.send, most=1, pending=2)
    tasks = [asyncio.create_task(batcher.put(1))]
    await place.begun.get()
    tasks += [asyncio.create_task(batcher.put(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    with pytest.raises(AmasError) as refused:
        await batcher.put(4)
    assert refused.value.reason == "OVERLOADED"
    place.open.set()
    await asyncio.gather(*tasks)


async def test_what_comes_as_a_batch_ends_is_sent() -> None:
    """An item put in the very turn of the loop in which the last batch ends waits for no later one to take it along."""
    opened: list[asyncio.Future[None]] = []
    begun = asyncio.Event()

    async def send(items: Sequence[int]) -> Sequence[int]:
        opened.append(asyncio.get_running_loop().create_future())
        begun.set()
        await opened[-1]
        return items

    async def when(woken: asyncio.Future[None]) -> int:
        await woken
        return await batcher.put(2)

    batcher = Batcher(send, most=10)
    woken = asyncio.get_running_loop().create_future()
    first, second = asyncio.create_task(batcher.put(1)), asyncio.create_task(when(woken))
    await begun.wait()
    # Both wake in the same turn: first the batch, which finds nothing more to send, then who puts.
    opened[0].set_result(None)
    woken.set_result(None)
    assert await first == 1
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(opened) == 2, "nobody sends the second item"
    opened[1].set_result(None)
    assert await second == 2
