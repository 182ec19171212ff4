"""Peers of a stream without manners: nonsense, floods, cancellations, a sudden end, a server that lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import msgspec
import pytest
from amas_chassis.channels import channel_options
from amas_chassis.errors import ErrorKind
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.mux import frames
from amas_chassis.rpc_errors import from_rpc_error
from amas_chassis.tls import client_credentials, server_credentials

from .conftest import CALLERS, SECONDS, Loopback
from .echo import ECHO, REPEAT, EchoRequest, EchoResponse, EchoServicer, echo_service
from .mux import mux_client
from .test_access import refusal


def opened(number: int, method: str = ECHO, *, text: str = "x", more: bool = False, window: int = 0) -> frames.Open:
    """An Open of the echo service."""
    body = EchoRequest(text=text, count=3).SerializeToString()
    return frames.Open(number, method, float(SECONDS), [], window, body, more)


@asynccontextmanager
async def bare_stream(loopback: Loopback, server: GrpcServer) -> AsyncIterator[Any]:
    """A stream as a peer without our client would open it."""
    tls = loopback.authority.issue("friend").read()
    options = [*channel_options("friend"), ("grpc.ssl_target_name_override", "server.amas.internal")]
    async with grpc.aio.secure_channel(server.address, client_credentials(tls), options=options) as channel:
        call = channel.stream_stream(frames.CARRY)()  # type: ignore[call-arg]  # the stubs want serialisers
        (hello,) = frames.from_server(await call.read())
        assert hello == frames.Hello(frames.VERSION, 2_048)
        yield call


async def rest_of(call: Any) -> None:
    """Read a bare stream to its end."""
    while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]  # not in the stubs
        pass


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff",
        b"\x91" * 5_000,
        msgspec.msgpack.encode([[9, 1]]),
        msgspec.msgpack.encode({"a": 1}),
        msgspec.msgpack.encode([[1, 0, ECHO, 5.0, [], 0, b"", False]]),
        msgspec.msgpack.encode([[1, 1, ECHO, float("nan"), [], 0, b"", False]]),
        msgspec.msgpack.encode([[1, 1, ECHO, -1.0, [], 0, b"", False]]),
        msgspec.msgpack.encode([[1, 1, ECHO, 5.0, [["k", b"v"]] * 65, 0, b"", False]]),
        msgspec.msgpack.encode([[1, 1, "m" * 600, 5.0, [], 0, b"", False]]),
        msgspec.msgpack.encode([[1, 1, ECHO, 5.0, [], 0, b"x" * 40_000, False]]),
        frames.encode([frames.Drain()] * 200_000),
        frames.encode([frames.Drain()]),
        frames.encode([opened(5), opened(5)]),
        frames.encode([opened(5), opened(4)]),
        frames.encode([frames.Cancel(1)]),
        frames.encode([frames.Data(7, b"", False)]),
        frames.encode([opened(1), frames.Data(1, b"x", False)]),
        frames.encode([opened(1, REPEAT, window=2**31), frames.Credit(1, 2**31)]),
    ],
)
async def test_nonsense_ends_the_stream_and_nothing_else(loopback: Loopback, message: bytes) -> None:
    """A peer that does not keep to the protocol is told INVALID_ARGUMENT; the server serves on."""
    server = await loopback.serve(echo_service())
    async with bare_stream(loopback, server) as call:
        await call.write(message)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rest_of(call)
    error = from_rpc_error(caught.value)
    assert (error.kind, error.reason) == (ErrorKind.INVALID_ARGUMENT, "FRAMES_INVALID")
    assert (await mux_client(loopback, server).stub.Echo(EchoRequest(text="on"))).text == "on"


async def test_too_many_calls_and_too_much_half_come_are_refused_one_by_one(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bounds a call is refused with RESOURCE_EXHAUSTED; the stream and its other calls go on."""
    monkeypatch.setattr("amas_chassis.mux.server_stream.MAX_CALLS", 2_048)
    monkeypatch.setattr("amas_chassis.mux.server_stream.MAX_HALF_COME_BYTES", 40_000)

    server = await loopback.serve(echo_service())
    async with bare_stream(loopback, server) as call:
        part = b"x" * frames.PART_BYTES
        await call.write(frames.encode([opened(1, more=True), frames.Data(1, part, True), frames.Data(1, part, True)]))
        (end,) = frames.from_server(await call.read())
        assert isinstance(end, frames.End)
        assert (end.call, end.code) == (1, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        # Late parts of the refused call are passed over, and the next call is served.
        await call.write(frames.encode([frames.Data(1, part, True), opened(2)]))
        (answer,) = frames.from_server(await call.read())
        assert isinstance(answer, frames.Answer)
        monkeypatch.setattr("amas_chassis.mux.server_stream.MAX_CALLS", 1)
        await call.write(frames.encode([opened(3, more=True), opened(4)]))
        (end,) = frames.from_server(await call.read())
        assert isinstance(end, frames.End)
        assert (end.call, end.code) == (4, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])


async def test_calls_that_are_cancelled_before_they_begin_leave_nothing_behind(loopback: Loopback) -> None:
    """Opened and cancelled in one message: the call is gone, its handler never ran, and the stream can end."""
    served: list[str] = []

    async def record(request: Any, _context: Any) -> Any:
        served.append(request.text)
        return EchoResponse()

    server = await loopback.serve(echo_service(EchoServicer(echo=record)))
    async with bare_stream(loopback, server) as call:
        batch = [
            opened(1, text="gone"),
            frames.Cancel(1),
            opened(2, more=True),
            frames.Cancel(2),
            opened(3, text="kept"),
        ]
        await call.write(frames.encode(batch))
        await call.done_writing()
        async with asyncio.timeout(SECONDS):
            await rest_of(call)
        assert await call.code() is grpc.StatusCode.OK
    assert served == ["kept"]


async def test_a_peer_that_vanishes_takes_its_handlers_along(loopback: Loopback) -> None:
    """When a stream breaks, each handler of its calls is cancelled."""
    begun, unwound = asyncio.Queue[None](), asyncio.Queue[None]()

    async def never(_request: Any, _context: Any) -> Any:
        begun.put_nowait(None)
        try:
            await asyncio.Event().wait()
        finally:
            unwound.put_nowait(None)

    server = await loopback.serve(echo_service(EchoServicer(echo=never)))
    async with bare_stream(loopback, server) as call:
        await call.write(frames.encode([opened(number) for number in range(1, 6)]))
        for _ in range(5):
            await begun.get()
    async with asyncio.timeout(SECONDS):
        for _ in range(5):
            await unwound.get()


class Liar:
    """A server that greets well and then says what the test wants."""

    def __init__(self, says: list[Any]) -> None:
        self.says = says

    async def carry(self, messages: AsyncIterator[bytes], context: Any) -> None:
        await context.write(frames.encode([frames.Hello(frames.VERSION, 10)]))
        await anext(messages)
        await context.write(frames.encode(self.says))
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    "says",
    [
        [frames.Hello(frames.VERSION, 10)],
        [frames.Answer(99, b"")],
        [frames.Data(1, b"x" * 30_000, True)] * 700,
        [frames.Data(1, b"", False)] * 2,
        [frames.Cancel(1)],
    ],
)
async def test_a_server_that_talks_nonsense_fails_the_call(loopback: Loopback, says: list[Any]) -> None:
    """The call is INTERNAL or UNAVAILABLE within its time, never stuck, and the client's memory is bounded."""
    liar = Liar(says)

    def add(_servicer: Any, server: grpc.aio.Server) -> None:
        carry = grpc.stream_stream_rpc_method_handler(liar.carry)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(frames.SERVICE, {"Carry": carry}),))

    credentials = server_credentials(loopback.authority.issue("server"))
    server = GrpcServer("127.0.0.1:0", [GrpcService(frames.SERVICE, add, liar)], [], credentials)
    await server.start()
    call = mux_client(loopback, server).stub.Echo(EchoRequest(text="x"))
    error = await refusal(call)
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "RPC_UNAVAILABLE")
    assert list(await call.trailing_metadata()) == [("grpc-retry-pushback-ms", "-1")], "nobody knows how far it came"
    await server.drain(0)


async def test_a_server_without_a_caller_list_carries_no_streams(loopback: Loopback) -> None:
    """Where nobody says who may call what, the method does not exist."""
    interceptor: Any = internal_interceptor("amas.internal", CALLERS)
    assert interceptor.carries_streams
    server = GrpcServer("127.0.0.1:0", [echo_service()], [], server_credentials(loopback.authority.issue("server")))
    await server.start()
    error = await refusal(mux_client(loopback, server).stub.Echo(EchoRequest(text="x")))
    assert error.kind is ErrorKind.UNIMPLEMENTED
    await server.drain(0)
