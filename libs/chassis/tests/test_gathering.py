"""What arrives during a send goes out with the next one, in order, fairly, and within bounds."""

from __future__ import annotations

import asyncio

import pytest
from amas_chassis.gathering import Gathering


class Sender:
    """Notes each batch; a send lasts until the test lets it through."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Semaphore(0)

    async def send(self, batch: list[str]) -> None:
        self.batches.append(batch)
        self.begun.release()
        await self.go_on.acquire()


async def test_what_arrives_during_a_send_goes_out_together() -> None:
    """One send for the first item, one for all that came meanwhile, in the order in which they came."""
    sender = Sender()
    gathering = Gathering(sender.send, len, max_batch=100, max_waiting=100)
    running = asyncio.create_task(gathering.run())
    gathering.add("a")
    await sender.begun.acquire()
    for item in ("b", "c", "d"):
        gathering.add(item)
    sender.go_on.release()
    await sender.begun.acquire()
    assert sender.batches == [["a"], ["b", "c", "d"]]
    gathering.add("e")
    gathering.close()
    for _ in range(2):
        sender.go_on.release()
    await running
    assert sender.batches[2:] == [["e"]]
    with pytest.raises(ConnectionError):
        await gathering.put("late")


async def test_batches_and_what_waits_are_bounded() -> None:
    """A batch ends at its bound; beyond what may wait, who puts is held until there is room."""
    sender = Sender()
    gathering = Gathering(sender.send, len, max_batch=4, max_waiting=6)
    running = asyncio.create_task(gathering.run())
    for item in ("aa", "bb", "cc"):
        await gathering.put(item)
    assert gathering.waiting == 6
    assert not gathering.has_room
    held = asyncio.create_task(gathering.put("dd"))
    await sender.begun.acquire()
    await held
    assert sender.batches == [["aa", "bb"]]
    assert gathering.left() == ["cc", "dd"]
    running.cancel()


async def test_who_waits_is_served_in_turn() -> None:
    """One who puts much and one who puts a little alternate; a waiter that gives up is passed over."""
    sender = Sender()
    gathering = Gathering(sender.send, len, max_batch=1, max_waiting=1)
    running = asyncio.create_task(gathering.run())

    async def put(name: str, times: int) -> None:
        for _ in range(times):
            await gathering.put(name)

    putting = [asyncio.create_task(put("m", 6)), asyncio.create_task(put("s", 2)), asyncio.create_task(put("x", 1))]
    await sender.begun.acquire()
    putting[2].cancel()
    for _ in range(7):
        sender.go_on.release()
        await sender.begun.acquire()
    sent = "".join(batch[0] for batch in sender.batches)
    assert "x" not in sent
    assert sorted(sent) == sorted("m" * 6 + "s" * 2)
    assert sent.rindex("s") < 5
    running.cancel()


async def test_a_sender_that_fails_ends_it_for_all() -> None:
    """Its error comes out of `run`; who waits is told, and what was not handed over can be had."""

    async def fail(_batch: list[str]) -> None:
        raise RuntimeError("broken")

    gathering = Gathering(fail, len, max_batch=1, max_waiting=1)
    gathering.add("a")
    gathering.add("b")
    held = asyncio.create_task(gathering.put("c"))
    second = asyncio.create_task(gathering.put("d"))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="broken"):
        await gathering.run()
    with pytest.raises(ConnectionError):
        await held
    with pytest.raises(ConnectionError):
        await second
    assert gathering.left() == ["b"]


async def test_what_is_abandoned_is_not_sent() -> None:
    """The send under way ends, nothing follows it."""
    sender = Sender()
    gathering = Gathering(sender.send, len, max_batch=1, max_waiting=9)
    running = asyncio.create_task(gathering.run())
    gathering.add("a")
    gathering.add("b")
    await sender.begun.acquire()
    gathering.abandon()
    sender.go_on.release()
    await running
    assert sender.batches == [["a"]]
