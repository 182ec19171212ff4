"""The end of the process: what calls leave behind when they are cut off by it is billed and on record (I12)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import orjson
import pytest
import pytest_asyncio
from amas.router.v1 import router_pb2 as pb
from amas.router.v1 import router_pb2_grpc

from .fakes import chunk, make_bundle
from .test_process import BODY, END_SECONDS, Platform, call_context, platform  # noqa: F401 - a fixture

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest_asyncio.fixture
async def endless() -> AsyncIterator[int]:
    """Port of a provider that gives one chunk and never goes on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            event = b"data: " + chunk("some text") + b"\n\n"
            writer.write(HEAD + b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def _to_the_end(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


@pytest.mark.parametrize("way", ["client", "mux_client"])
async def test_a_stream_that_the_end_cuts_off_is_on_record(
    platform: Platform,  # noqa: F811
    endless: int,
    way: str,
) -> None:
    """It is cancelled when the drain's time is up, after which its bill and its record are still written."""
    platform.environment["AMAS_AI_ROUTER_DRAIN_TIMEOUT"] = "1"
    platform.bundle = make_bundle([f"http://127.0.0.1:{endless}/v1"], first_token="120s", total="300s")
    assert await (await platform.start("migrate")).wait() == 0
    process = await platform.start()
    try:
        stub = platform.stub("orchestrator")
        await platform.ready(process, stub)
        request = pb.StreamCompleteRequest(context=call_context(platform.bundle.digest), route="default", body=BODY)
        channels = platform.channels[0]
        client = getattr(channels, way)(router_pb2_grpc.RouterServiceStub, platform.address, "ai-router")
        call = client.stub.StreamComplete(request, timeout=300)
        first: Any = await call.read()
        assert b"some text" in first.chunk
        process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.aio.AioRpcError):
            await _to_the_end(call)
        assert await asyncio.wait_for(process.wait(), END_SECONDS) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # What an outbox was sending when the process ended is sent again by its close: audit knows an event by its id.
    events = platform.audit.once()
    assert [event.type.rpartition(".")[2] for event in events] == ["stream_started", "called"]
    assert orjson.loads(events[1].data_json)["outcome"] == "cancelled"
