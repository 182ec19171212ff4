"""Calls as frames behave as plain ones do: answers, errors, deadlines, refusals, traces, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from amas_chassis import telemetry
from amas_chassis.errors import ErrorKind
from amas_chassis.identity import peer_service
from prometheus_client import REGISTRY

from .conftest import SECONDS, Loopback
from .echo import ECHO, NAME, EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service
from .mux import mux_client
from .test_access import refusal
from .test_calls import ERROR, failing

BODY = 200 * 1024
TRAILERS = (("grpc-retry-pushback-ms", "-1"), ("x-bytes-bin", b"\x00\xff"))


async def test_one_answer_and_many(loopback: Loopback) -> None:
    """Unary calls and streams arrive whole and in order."""
    client = mux_client(loopback, await loopback.serve(echo_service()))
    assert (await client.stub.Echo(EchoRequest(text="one"))).text == "one"
    answers = [answer.text async for answer in client.stub.Repeat(EchoRequest(text="many", count=7))]
    assert answers == ["many"] * 7


async def test_a_call_object_has_the_face_of_a_plain_one(loopback: Loopback) -> None:
    """code(), details(), trailing metadata, done() and callbacks work as on grpc.aio's calls, also `read`."""

    async def trailing(_request: Any, context: Any) -> Any:
        context.set_trailing_metadata(TRAILERS)
        return EchoResponse(text="x")

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=trailing))))
    call, ended = client.stub.Echo(EchoRequest(text="x")), []
    call.add_done_callback(ended.append)
    assert not call.done()
    assert 0 < call.time_remaining() <= SECONDS
    assert (await call).text == (await call).text == "x"
    assert await call.code() is grpc.StatusCode.OK
    assert (await call.details(), call.done(), call.cancelled(), call.cancel()) == ("", True, False, False)
    assert tuple(await call.trailing_metadata()) == TRAILERS
    assert ended == [call]
    call.add_done_callback(ended.append)
    assert ended == [call, call]
    stream = client.stub.Repeat(EchoRequest(text="x", count=1))
    assert (await stream.read()).text == "x"
    assert await stream.read() is grpc.aio.EOF  # type: ignore[attr-defined]  # the type stubs leave it out
    assert await stream.code() is grpc.StatusCode.OK


async def test_an_error_arrives_as_it_was_raised(loopback: Loopback) -> None:
    """Kind, reason, message, metadata, violations and retry delay survive, as do a handler's own trailers."""

    async def refusing(_request: Any, context: Any) -> Any:
        context.set_trailing_metadata(TRAILERS)
        raise ERROR

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=refusing))))
    assert vars(await refusal(client.stub.Echo(EchoRequest(text="x")))) == vars(ERROR)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.Echo(EchoRequest(text="x"))
    trailers = dict(caught.value.trailing_metadata() or ())
    assert "grpc-status-details-bin" in trailers
    assert trailers["grpc-retry-pushback-ms"] == "-1"


async def test_errors_equal_those_of_plain_calls(loopback: Loopback) -> None:
    """Code, text and trailers of one failure are the same on both ways."""
    server = await loopback.serve(echo_service(EchoServicer(echo=failing)))
    channels = loopback.channels()
    seen = []
    for make in (channels.client, channels.mux_client):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await make(EchoStub, server.address, "server").stub.Echo(EchoRequest(text="x"))
        error = caught.value
        seen.append((error.code(), error.details(), tuple(error.trailing_metadata() or ())))
    assert seen[0] == seen[1]


async def test_an_error_in_the_middle_of_a_stream_arrives_after_what_was_sent(loopback: Loopback) -> None:
    """A stream that fails delivers what it had, then the error with its details."""

    async def breaking(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(text="first")
        raise ERROR

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(repeat=breaking))))
    call = client.stub.Repeat(EchoRequest(text="x", count=1))
    assert (await call.read()).text == "first"
    assert (await refusal(call.read())).reason == "QUOTA_USED_UP"


async def test_an_unexpected_exception_tells_the_client_nothing(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug becomes INTERNAL with a generic text; the traceback is in our log only."""

    async def buggy(_request: Any, _context: Any) -> Any:
        raise KeyError("password=hunter2")

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=buggy))))
    error = await refusal(client.stub.Echo(EchoRequest(text="x")))
    assert (error.kind, error.reason, error.message) == (ErrorKind.INTERNAL, "INTERNAL", "internal error")
    assert "hunter2" in caplog.text


async def test_a_bad_request_never_reaches_the_handler(loopback: Loopback) -> None:
    """Calls as frames are held to their contract; every field that breaks a rule is named."""
    reached = []

    async def record(request: Any, _context: Any) -> Any:
        reached.append(request)
        return EchoResponse()

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=record))))
    error = await refusal(client.stub.Echo(EchoRequest(text="", count=-1)))
    assert (error.kind, error.reason) == (ErrorKind.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert [violation.field for violation in error.violations] == ["text", "count"]
    assert (await refusal(client.stub.Repeat(EchoRequest(count=1)).read())).reason == "REQUEST_INVALID"
    assert not reached


async def test_the_list_of_callers_holds_for_each_call_in_a_stream(loopback: Loopback) -> None:
    """A peer that may call one method gets no further by frames; one that may call nothing gets no stream."""

    async def who(_request: Any, context: Any) -> Any:
        return EchoResponse(text=peer_service(context))

    server = await loopback.serve(echo_service(EchoServicer(echo=who)))
    client = mux_client(loopback, server, "server")
    assert (await client.stub.Echo(EchoRequest(text="x"))).text == "server"
    error = await refusal(client.stub.Repeat(EchoRequest(text="x", count=1)).read())
    assert (error.kind, error.reason) == (ErrorKind.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")
    error = await refusal(mux_client(loopback, server, "stranger").stub.Echo(EchoRequest(text="x")))
    assert (error.kind, error.reason) == (ErrorKind.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")


async def test_the_deadline_ends_the_call_on_both_sides(loopback: Loopback) -> None:
    """The caller is told DEADLINE_EXCEEDED, and the handler is cancelled."""
    left: list[float] = []
    unwound = asyncio.Event()

    async def never(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        try:
            await asyncio.Event().wait()
        finally:
            unwound.set()

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=never))))
    # A busy machine may need longer than a short one to begin the handler at all: then it is a longer one's turn.
    for seconds in (0.2, 2, 20):
        error = await refusal(client.stub.Echo(EchoRequest(text="x"), timeout=seconds))
        assert error.kind is ErrorKind.DEADLINE_EXCEEDED
        if left:
            break
    await asyncio.wait_for(unwound.wait(), 60)
    assert 0 < left[0] <= seconds


async def test_a_cancelled_caller_cancels_the_handler(loopback: Loopback) -> None:
    """By cancel(), and by the cancellation of the task that waits: the handler unwinds at once."""
    begun, unwound = asyncio.Queue[str](), asyncio.Queue[str]()

    async def never(request: Any, _context: Any) -> Any:
        begun.put_nowait(request.text)
        try:
            await asyncio.Event().wait()
        finally:
            unwound.put_nowait(request.text)

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=never))))
    call = client.stub.Echo(EchoRequest(text="by hand"))
    await begun.get()
    assert call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.wait_for(unwound.get(), 60) == "by hand"

    async def wait() -> None:
        await client.stub.Echo(EchoRequest(text="by task"))

    task = asyncio.create_task(wait())
    await begun.get()
    task.cancel()
    assert await asyncio.wait_for(unwound.get(), 60) == "by task"


async def test_a_cancelled_stream_unwinds_its_handler(loopback: Loopback) -> None:
    """When a reader goes away, the generator's clean-up runs at once."""
    cleaned = asyncio.Event()

    async def endless(_request: Any, _context: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield EchoResponse(text="tick")
        finally:
            cleaned.set()

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(repeat=endless))))
    call = client.stub.Repeat(EchoRequest(text="x"))
    assert (await call.read()).text == "tick"
    call.cancel()
    await asyncio.wait_for(cleaned.wait(), 60)
    with pytest.raises(asyncio.CancelledError):
        await call.read()


async def test_a_handler_that_is_cancelled_is_away_for_its_caller(loopback: Loopback) -> None:
    """The server says CANCELLED, as when a call outlasts its drain; the caller's own task goes on."""

    async def giving_up(_request: Any, _context: Any) -> Any:
        raise asyncio.CancelledError

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=giving_up))))
    assert (await refusal(client.stub.Echo(EchoRequest(text="x")))).reason == "RPC_CANCELLED"


async def test_large_messages_go_both_ways(loopback: Loopback) -> None:
    """Bodies far larger than a frame, and than a stream's window, arrive whole."""
    text = "x" * BODY

    async def big(request: Any, _context: Any) -> Any:
        return EchoResponse(text=text)

    async def bigger(request: Any, _context: Any) -> AsyncIterator[Any]:
        for _ in range(request.count):
            yield EchoResponse(text=text)

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=big, repeat=bigger))))
    assert (await client.stub.Echo(EchoRequest(text="x"))).text == text
    assert [len(a.text) async for a in client.stub.Repeat(EchoRequest(text="x", count=5))] == [BODY] * 5
    error = await refusal(client.stub.Echo(EchoRequest(text=text)))
    assert error.reason == "REQUEST_INVALID"
    error = await refusal(client.stub.Echo(EchoRequest(text="x" * (21 * 1024 * 1024))))
    assert error.kind is ErrorKind.RESOURCE_EXHAUSTED


async def test_a_trace_goes_through(loopback: Loopback) -> None:
    """The handler's trace is the caller's, for each call its own, though all share a stream."""
    seen: list[str] = []

    async def record(_request: Any, _context: Any) -> Any:
        seen.append(telemetry.current_trace_id())
        return EchoResponse()

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=record))))
    begun = []
    for _ in range(2):
        with telemetry.tracer("test").start_as_current_span("begin"):
            begun.append(telemetry.current_trace_id())
            await client.stub.Echo(EchoRequest(text="x"))
    assert seen == begun
    assert begun[0] != begun[1]


async def test_calls_are_counted_one_by_one(loopback: Loopback) -> None:
    """A call in a stream is counted by its method, code and caller; the stream itself is no call."""
    labels = {"grpc_service": NAME, "grpc_method": "Echo", "grpc_code": "OK", "caller": "friend"}
    before = REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0
    client = mux_client(loopback, await loopback.serve(echo_service()))
    for _ in range(3):
        await client.stub.Echo(EchoRequest(text="x"))
    assert REGISTRY.get_sample_value("grpc_server_handled_total", labels) == before + 3
    assert REGISTRY.get_sample_value("grpc_server_in_flight") == 0


async def test_an_unknown_method_is_unimplemented(loopback: Loopback) -> None:
    """A method that nobody serves is UNIMPLEMENTED, not a crash."""

    class Other:
        def __init__(self, channel: Any) -> None:
            self.Gone = channel.unary_unary(
                f"{ECHO}Gone",
                request_serializer=EchoRequest.SerializeToString,
                response_deserializer=EchoResponse.FromString,
            )

    server = await loopback.serve(echo_service())
    client = loopback.channels().mux_client(Other, server.address, "server")
    assert (await refusal(client.stub.Gone(EchoRequest(text="x")))).kind is ErrorKind.UNIMPLEMENTED


async def test_a_thousand_calls_at_once(loopback: Loopback) -> None:
    """Every call gets its own answer, and all of them share one connection."""
    barrier = asyncio.Barrier(1_000)

    async def together(request: Any, _context: Any) -> Any:
        await barrier.wait()
        return EchoResponse(text=request.text)

    client = mux_client(loopback, await loopback.serve(echo_service(EchoServicer(echo=together))))
    calls = [client.stub.Echo(EchoRequest(text=str(number)), timeout=30) for number in range(1_000)]
    answers = await asyncio.gather(*calls)
    assert [answer.text for answer in answers] == [str(number) for number in range(1_000)]
