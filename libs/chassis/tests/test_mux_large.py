"""Large requests over a multiplexed stream: many at once all arrive, as they do on plain channels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from amas_chassis.mux.turns import Turns

from .conftest import Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, echo_service
from .mux import mux_client

SIZE = 4 * 1024 * 1024
# Tag and length of a field that the contract does not know, and whose bytes come along all the same.
_UNKNOWN = b"\x7a" + bytes((0x80, 0x80, 0x80, 0x02))


async def _size(request: Any, _context: Any) -> Any:
    return EchoResponse(text=str(request.ByteSize()))


async def test_many_large_requests_at_once_all_arrive(loopback: Loopback) -> None:
    """More bytes than a server takes half come: the client sends no more of them at once than it may."""
    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=_size))))
    request = EchoRequest(text="x")
    request.MergeFromString(_UNKNOWN + bytes(SIZE))
    answers = await asyncio.gather(*(client.stub.Echo(request, timeout=60) for _ in range(24)))
    assert {answer.text for answer in answers} == {str(request.ByteSize())}
    assert request.ByteSize() > SIZE


@pytest.mark.parametrize("seconds", [1e9, float("inf")])
async def test_a_time_out_beyond_every_bound_is_the_longest(loopback: Loopback, seconds: float) -> None:
    """One caller's odd time-out is no protocol error, which would end the others' calls."""
    client = mux_client(loopback, await loopback.serve(echo_service()))
    assert (await client.stub.Echo(EchoRequest(text="x"), timeout=seconds)).text == "x"


async def test_who_waits_goes_in_turn_and_who_leaves_blocks_nobody() -> None:
    """A large one is not overtaken for ever by small ones; one cancelled in line, or just let in, frees its place."""
    turns, inside = Turns(10), []
    gates = {name: asyncio.Event() for name in "abcd"}

    async def work(name: str, weight: int) -> None:
        async with turns.turn(weight):
            inside.append(name)
            await gates[name].wait()

    tasks = {
        name: asyncio.create_task(work(name, weight)) for name, weight in (("a", 6), ("b", 8), ("c", 25), ("d", 2))
    }
    await asyncio.sleep(0)
    assert inside == ["a"]
    assert not turns.free(1)
    tasks["b"].cancel()
    gates["a"].set()
    await asyncio.wait((tasks["a"], tasks["b"]))
    # The next one is alone, being larger than the bound, and goes at the moment in which it is let in.
    tasks["c"].cancel()
    await asyncio.wait((tasks["c"],))
    gates["d"].set()
    await asyncio.wait_for(tasks["d"], 60)
    assert inside[-1] == "d"
    assert turns.free(10)
