"""A whole process behind a multiplexed stream: its end, and a great many streams that do nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psutil
import pytest
from amas_chassis.channels import ClientChannels
from amas_chassis.mux import client as mux_channel
from amas_chassis.mux.client import MAX_STREAMS

from .authority import Authority
from .conftest import SECONDS, Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service
from .mux import mux_client
from .processes import START_SECONDS, Start

CALLERS = 8
IDLE_STREAMS = 3_000
# Memory of an idle stream over both ends, which live in one process here (bytes).
MAX_BYTES_A_STREAM = 40 * 1024


async def test_sigterm_loses_no_accepted_call(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I12 over frames: every call that a handler began is answered, and the process exits with 0 in good time."""
    answered: set[str] = set()
    refused: list[grpc.StatusCode] = []

    async def hammer(stub: EchoStub, caller: int) -> None:
        for number in range(10_000):
            try:
                answered.add((await stub.Echo(EchoRequest(text=f"{caller}.{number}"), timeout=SECONDS)).text)
            except grpc.aio.AioRpcError as error:
                refused.append(error.code())
                return

    monkeypatch.setattr(mux_channel, "WAIT_SECONDS", SECONDS)
    channels = ClientChannels(authority.issue("friend"), "friend")
    async with start(DRAIN_TIMEOUT=str(2 * START_SECONDS)) as process:
        await process.said("ready to serve")
        stub = channels.mux_client(EchoStub, process.target, "server").stub
        callers = [asyncio.create_task(hammer(stub, caller)) for caller in range(CALLERS)]
        async with asyncio.timeout(START_SECONDS):
            while len(answered) < 5 * CALLERS:
                await asyncio.wait(callers, timeout=0.02)
        # Nobody comes after this one: whoever has no stream any more need not wait for another.
        monkeypatch.setattr(mux_channel, "WAIT_SECONDS", 0.1)
        process.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(START_SECONDS):
            code = await process.ended()
        await asyncio.gather(*callers)
        accepted = {line.split()[1] for line in process.notes() if line.startswith("accepted")}
    await channels.close()
    assert code == 0
    assert accepted == answered
    assert set(refused) == {grpc.StatusCode.UNAVAILABLE}


async def test_idle_streams_are_cheap_and_spread(loopback: Loopback) -> None:
    """Thousands of streams that wait cost little memory each, go on several carrying streams, and all still work."""
    go_on = asyncio.Event()
    # One of these for each carrying stream.
    carriers: dict[int, Any] = {}

    async def idle(_request: Any, context: Any) -> AsyncIterator[Any]:
        carrier = context.auth_context()
        carriers[id(carrier)] = carrier
        yield EchoResponse(text="first")
        await go_on.wait()
        yield EchoResponse(text="last")

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(repeat=idle))))
    first = client.stub.Repeat(EchoRequest(text="x"), timeout=120)
    await first.read()
    before = psutil.Process().memory_info().rss
    calls = [client.stub.Repeat(EchoRequest(text="x"), timeout=120) for _ in range(IDLE_STREAMS)]
    assert {(await call.read()).text for call in calls} == {"first"}
    used = psutil.Process().memory_info().rss - before
    assert used / IDLE_STREAMS <= MAX_BYTES_A_STREAM
    assert 2 <= len(carriers) <= MAX_STREAMS
    print(f"{used / IDLE_STREAMS / 1024:.1f} KiB a stream, both ends")
    go_on.set()
    assert [(await call.read()).text for call in calls] == ["last"] * IDLE_STREAMS
