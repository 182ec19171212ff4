"""Many calls on one stream: fairness, back-pressure, reconnection, draining, certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from amas_chassis.channels import ClientChannels
from amas_chassis.clock import ManualClock
from amas_chassis.errors import ErrorKind
from amas_chassis.grpc_server import GrpcServer, GrpcService, ListenError
from amas_chassis.mux import client as mux_channel
from amas_chassis.mux.stream_call import WINDOW_BYTES

from .conftest import SECONDS, Loopback
from .echo import EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service
from .mux import mux_client
from .test_access import refusal

KIB = "x" * 1024


async def until(condition: Callable[[], bool]) -> None:
    """Give way until something is so."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


class Producer:
    """Streams that write as fast as they are let, and say how far they got."""

    def __init__(self) -> None:
        self.written: dict[str, int] = {}

    async def repeat(self, request: Any, context: Any) -> None:
        for _ in range(request.count):
            await context.write(EchoResponse(text=KIB))
            self.written[request.text] = self.written.get(request.text, 0) + 1


async def test_a_slow_reader_holds_its_own_handler_back_and_nobody_else(loopback: Loopback) -> None:
    """A stream that nobody reads stops at its window, while another one on the same stream runs to its end."""
    producer = Producer()
    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(repeat=producer.repeat))))
    slow = client.stub.Repeat(EchoRequest(text="slow", count=5_000))
    assert (await slow.read()).text == KIB
    fast = [answer async for answer in client.stub.Repeat(EchoRequest(text="fast", count=1_000))]
    assert len(fast) == 1_000
    assert producer.written["slow"] * len(KIB) <= 2 * WINDOW_BYTES
    # The window moves on with the reader, to the end.
    assert len([answer async for answer in slow]) == 4_999
    assert producer.written["slow"] == 5_000


async def test_many_readers_that_do_not_read_hold_bounded_memory(loopback: Loopback) -> None:
    """What waits for a hundred readers is a window each, and unary calls still go through."""
    producer = Producer()
    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(repeat=producer.repeat))))
    calls = [client.stub.Repeat(EchoRequest(text=f"r{number}", count=2_000)) for number in range(100)]
    for call in calls:
        await call.read()
    for _ in range(20):
        await client.stub.Echo(EchoRequest(text="x"))
    assert sum(producer.written.values()) * len(KIB) <= 100 * 2 * WINDOW_BYTES
    for call in calls:
        call.cancel()


async def test_a_large_message_does_not_hold_up_the_small_ones(loopback: Loopback) -> None:
    """Small calls made after a large answer began are answered before it has arrived."""
    order: list[str] = []
    huge = EchoResponse(text="x" * (12 * 1024 * 1024))

    async def echo(request: Any, _context: Any) -> Any:
        order.append(f"served {request.text}")
        return huge if request.text == "large" else EchoResponse(text="small")

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=echo))))
    await client.stub.Echo(EchoRequest(text="warm"))
    large = client.stub.Echo(EchoRequest(text="large"), timeout=60)
    large.add_done_callback(lambda _: order.append("large"))
    await until(lambda: "served large" in order)
    for number in range(5):
        await client.stub.Echo(EchoRequest(text=f"s{number}"), timeout=60)
        order.append("small")
    assert len((await large).text) == len(huge.text)
    assert order.count("small") == 5
    assert order.index("large") > order.index("small")


async def test_a_large_request_does_not_hold_up_the_small_ones(loopback: Loopback) -> None:
    """The same on the way to the server, and for many large ones at once."""
    client = mux_client(loopback, await loopback.serve(echo_service()))
    await client.stub.Echo(EchoRequest(text="warm"))
    ended: list[str] = []
    large = [client.stub.Echo(EchoRequest(text="x" * (3 * 1024 * 1024)), timeout=60) for _ in range(4)]
    for call in large:
        call.add_done_callback(lambda _: ended.append("large"))
    await client.stub.Echo(EchoRequest(text="small"))
    assert not ended
    for call in large:
        assert (await refusal(call)).reason == "REQUEST_INVALID"


async def test_calls_under_way_fail_and_new_ones_wait_for_the_server(loopback: Loopback, tmp_path: Path) -> None:
    """When the server goes: UNAVAILABLE for what was sent, and what comes after is answered by the next server."""
    listen, begun = f"unix:{tmp_path}/mux.sock", asyncio.Event()

    async def never(_request: Any, _context: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    server = await loopback.serve(echo_service(EchoServicer(echo=never)), listen=listen)
    client = mux_client(loopback, server)
    under_way = asyncio.ensure_future(refusal(client.stub.Echo(EchoRequest(text="x"))))
    await begun.wait()
    await server.drain(0.0)
    assert (await under_way).kind is ErrorKind.UNAVAILABLE
    waiting = asyncio.ensure_future(client.stub.Echo(EchoRequest(text="later")))
    await asyncio.sleep(0)
    await loopback.serve(echo_service(), listen=listen)
    assert (await waiting).text == "later"


async def test_a_server_that_never_comes_is_unavailable(
    loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call waits for a stream no longer than the bound, though its deadline is far; a near deadline holds as such."""
    monkeypatch.setattr(mux_channel, "WAIT_SECONDS", 0.2)
    client = loopback.channels().mux_client(EchoStub, f"unix:{tmp_path}/nobody.sock", "server")
    call = client.stub.Echo(EchoRequest(text="x"), timeout=60)
    assert (await refusal(call)).kind is ErrorKind.UNAVAILABLE
    assert not list(await call.trailing_metadata()), "it was never sent, and may be asked again"
    call = client.stub.Echo(EchoRequest(text="x"), timeout=0.05)
    assert (await refusal(call)).kind is ErrorKind.DEADLINE_EXCEEDED


async def test_a_wrong_server_gets_no_call(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that means one service does not talk to another one's certificate."""
    monkeypatch.setattr(mux_channel, "WAIT_SECONDS", 0.5)
    served: list[Any] = []

    async def record(request: Any, _context: Any) -> Any:
        served.append(request)

    server = await loopback.serve(echo_service(EchoServicer(echo=record)))
    client = loopback.channels().mux_client(EchoStub, server.address, "elsewhere")
    assert (await refusal(client.stub.Echo(EchoRequest(text="x")))).kind is ErrorKind.UNAVAILABLE
    assert not served


async def test_a_cancelled_waiting_call_is_never_sent(loopback: Loopback, tmp_path: Path) -> None:
    """What was given up while no server was there reaches nobody when one comes."""
    served: list[str] = []

    async def record(request: Any, _context: Any) -> Any:
        served.append(request.text)
        return EchoResponse()

    listen = f"unix:{tmp_path}/late.sock"
    client = loopback.channels().mux_client(EchoStub, listen, "server")
    stub = client.stub
    calls = [stub.Echo(EchoRequest(text=text)) for text in ("first", "second", "third")]
    calls[1].cancel()
    await loopback.serve(echo_service(EchoServicer(echo=record)), listen=listen)
    await asyncio.gather(calls[0], calls[2])
    assert served == ["first", "third"]


async def serve_once_free(loopback: Loopback, service: GrpcService, listen: str) -> GrpcServer:
    """A server on an address that another one is about to leave."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await loopback.serve(service, listen=listen)
            except ListenError:
                await asyncio.sleep(0.01)


async def test_a_drain_ends_no_call(loopback: Loopback) -> None:
    """Calls under way end well during a drain; the drain waits for them; later calls go to the next server."""
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def held(request: Any, _context: Any) -> Any:
        begun.set()
        await go_on.wait()
        return EchoResponse(text=request.text)

    first = await loopback.serve(echo_service(EchoServicer(echo=held)))
    client = mux_client(loopback, first)
    under_way = asyncio.ensure_future(client.stub.Echo(EchoRequest(text="old"), timeout=2 * SECONDS))
    await begun.wait()
    draining = asyncio.create_task(first.drain(SECONDS))
    await serve_once_free(loopback, echo_service(), first.address)
    async with asyncio.timeout(SECONDS):
        # Once the client knows of the drain, its calls go to the other server: the first one would not answer.
        while True:
            call = client.stub.Echo(EchoRequest(text="new"), timeout=0.5)
            try:
                assert (await call).text == "new"
                break
            except grpc.aio.AioRpcError:
                assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not draining.done()
    go_on.set()
    assert (await under_way).text == "old"
    async with asyncio.timeout(SECONDS / 2):
        await draining


async def test_an_idle_stream_does_not_delay_a_drain(loopback: Loopback) -> None:
    """A client without calls ends its stream when it is asked to, at once."""
    server = await loopback.serve(echo_service())
    client = mux_client(loopback, server)
    await client.stub.Echo(EchoRequest(text="x"))
    async with asyncio.timeout(SECONDS / 2):
        await server.drain(SECONDS)


async def test_a_new_certificate_is_used_and_the_old_stream_ends_its_calls(loopback: Loopback) -> None:
    """After a rotation new calls go on a stream of a new connection; a stream under way goes on to its end."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    go_on, certificates = asyncio.Event(), []

    async def two_parts(_request: Any, context: Any) -> AsyncIterator[Any]:
        certificates.append(context.auth_context()["x509_pem_cert"])
        yield EchoResponse(text="before")
        await go_on.wait()
        yield EchoResponse(text="after")

    async def remember(_request: Any, context: Any) -> Any:
        certificates.append(context.auth_context()["x509_pem_cert"])
        return EchoResponse()

    server = await loopback.serve(echo_service(EchoServicer(echo=remember, repeat=two_parts)))
    client = mux_client(loopback, server, clock=clock)
    call = client.stub.Repeat(EchoRequest(text="x"))
    assert (await call.read()).text == "before"
    loopback.authority.issue("friend")
    clock.advance(2)
    await client.stub.Echo(EchoRequest(text="x"))
    assert certificates[0] != certificates[1]
    go_on.set()
    assert (await call.read()).text == "after"
    assert await call.code() is grpc.StatusCode.OK


async def test_closing_the_channels_ends_what_is_under_way(loopback: Loopback) -> None:
    """A call is not left hanging when its process closes its channels."""
    begun = asyncio.Event()

    async def never(_request: Any, _context: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    server = await loopback.serve(echo_service(EchoServicer(echo=never)))
    channels = ClientChannels(loopback.authority.issue("friend"), "friend")
    call = channels.mux_client(EchoStub, server.address, "server").stub.Echo(EchoRequest(text="x"))
    await begun.wait()
    await channels.close()
    assert (await refusal(call)).kind is ErrorKind.UNAVAILABLE
