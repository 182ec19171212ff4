"""What holds around every call: errors, validation, deadlines, traces, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from amas_chassis import deadlines, telemetry
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from prometheus_client import REGISTRY

from .conftest import Loopback
from .echo import ECHO, NAME, EchoRequest, EchoResponse, EchoServicer, EchoStub, echo_service
from .test_access import refusal

ERROR = AmasError(
    ErrorKind.RESOURCE_EXHAUSTED,
    "QUOTA_USED_UP",
    "no more today",
    metadata={"quota": "calls"},
    violations=[FieldViolation("items[0].id", "is taken")],
    retry_after=1.5,
)


async def failing(_request: Any, _context: Any) -> Any:
    raise ERROR


async def test_an_error_arrives_as_it_was_raised(loopback: Loopback) -> None:
    """Kind, reason, message, metadata, violations and retry delay survive the wire."""
    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=failing))))
    assert vars(await refusal(client.stub.Echo(EchoRequest(text="x")))) == vars(ERROR)


async def test_an_error_in_the_middle_of_a_stream_arrives_after_what_was_sent(loopback: Loopback) -> None:
    """A stream that fails delivers what it had, then the error with its details."""

    async def breaking(_request: Any, _context: Any) -> AsyncIterator[Any]:
        yield EchoResponse(text="first")
        raise ERROR

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(repeat=breaking))))
    call = client.stub.Repeat(EchoRequest(text="x", count=1))
    assert (await call.read()).text == "first"
    assert (await refusal(call.read())).reason == "QUOTA_USED_UP"


async def test_an_unexpected_exception_tells_the_client_nothing(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug becomes INTERNAL with a generic text; the traceback is in our log only."""

    async def buggy(_request: Any, _context: Any) -> Any:
        raise KeyError("password=hunter2")

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=buggy))))
    error = await refusal(client.stub.Echo(EchoRequest(text="x")))
    assert (error.kind, error.reason, error.message) == (ErrorKind.INTERNAL, "INTERNAL", "internal error")
    assert "hunter2" not in repr(vars(error))
    assert "hunter2" in caplog.text


async def test_a_bad_request_never_reaches_the_handler(loopback: Loopback) -> None:
    """Every field that breaks a rule is named, and the handler does not run."""
    reached = []

    async def record(request: Any, _context: Any) -> Any:
        reached.append(request)
        return EchoResponse()

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=record))))
    error = await refusal(client.stub.Echo(EchoRequest(text="", count=-1)))
    assert (error.kind, error.reason) == (ErrorKind.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert [violation.field for violation in error.violations] == ["text", "count"]
    assert not reached


async def test_a_bad_request_for_a_stream_is_refused_as_well(loopback: Loopback) -> None:
    """Server streaming methods are held to their contract too."""
    client = loopback.client(await loopback.serve(echo_service()))
    error = await refusal(client.stub.Repeat(EchoRequest(count=1)).read())
    assert error.reason == "REQUEST_INVALID"


async def test_a_call_without_a_timeout_has_a_deadline(loopback: Loopback) -> None:
    """The default deadline ends a call that nobody limited."""

    async def never(_request: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    server = await loopback.serve(echo_service(EchoServicer(echo=never)))
    client = loopback.channels().client(EchoStub, server.address, "server", default_timeout=0.2)
    assert (await refusal(client.stub.Echo(EchoRequest(text="x")))).kind is ErrorKind.DEADLINE_EXCEEDED


async def test_a_call_on_behalf_of_a_call_ends_with_it(loopback: Loopback) -> None:
    """The deadline of the first caller holds two hops away, though the hop itself asks for more."""
    seen: list[float] = []

    async def last(_request: Any, context: Any) -> Any:
        seen.append(context.time_remaining())
        return EchoResponse()

    behind = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=last))), "server")

    async def hop(request: Any, _context: Any) -> Any:
        return await behind.stub.Echo(request, timeout=60)

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=hop))))
    await client.stub.Echo(EchoRequest(text="x"), timeout=30)
    assert 0 < seen[0] <= 30


async def test_work_that_a_handler_leaves_behind_is_free_of_its_deadline() -> None:
    """A background task started by a handler is not cut when the handler's call is over."""
    gate = asyncio.Event()

    async def background() -> float | None:
        await gate.wait()
        return deadlines.remaining()

    with deadlines.limited(0.5):
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
        assert deadlines.remaining() is not None
    gate.set()
    assert await task is None


async def test_a_trace_goes_through_every_hop(loopback: Loopback) -> None:
    """The trace id of the first caller is current in a handler two hops away, each time its own."""
    seen: list[str] = []

    async def last(_request: Any, _context: Any) -> Any:
        seen.append(telemetry.current_trace_id())
        return EchoResponse()

    behind = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=last))), "server")

    async def hop(request: Any, _context: Any) -> Any:
        return await behind.stub.Echo(request)

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=hop))))
    begun = []
    for _ in range(2):
        with telemetry.tracer("test").start_as_current_span("begin"):
            begun.append(telemetry.current_trace_id())
            await client.stub.Echo(EchoRequest(text="x"))
    assert seen == begun
    assert begun[0] != begun[1]


async def test_calls_are_counted_by_method_code_and_caller(loopback: Loopback) -> None:
    """A refused call is counted under its code and its caller, with the trace as an exemplar."""
    labels = {"grpc_service": NAME, "grpc_method": "Echo", "grpc_code": "RESOURCE_EXHAUSTED", "caller": "friend"}
    before = REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0
    client = loopback.client(await loopback.serve(echo_service(EchoServicer(echo=failing))))
    await refusal(client.stub.Echo(EchoRequest(text="x")))
    assert REGISTRY.get_sample_value("grpc_server_handled_total", labels) == before + 1
    assert REGISTRY.get_sample_value("grpc_server_in_flight") == 0


async def test_a_cancelled_stream_unwinds_its_handler(loopback: Loopback) -> None:
    """When a watcher goes away, the generator's clean-up runs at once."""
    cleaned = asyncio.Event()

    async def endless(_request: Any, _context: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield EchoResponse(text="tick")
                await asyncio.sleep(0.01)
        finally:
            cleaned.set()

    client = loopback.client(await loopback.serve(echo_service(EchoServicer(repeat=endless))))
    call = client.stub.Repeat(EchoRequest(text="x"))
    await call.read()
    call.cancel()
    await asyncio.wait_for(cleaned.wait(), 60)


async def test_a_peer_that_comes_up_late_is_retried(loopback: Loopback, tmp_path: Any) -> None:
    """UNAVAILABLE is asked again within the call's deadline, so that a restart costs time and not an error."""
    listen = f"unix:{tmp_path}/late.sock"
    client = loopback.channels().client(EchoStub, listen, "server")
    call = asyncio.ensure_future(client.stub.Echo(EchoRequest(text="x"), wait_for_ready=True))
    await asyncio.sleep(0)
    await loopback.serve(echo_service(), listen=listen)
    assert (await call).text == "x"


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
    client = loopback.channels().client(Other, server.address, "server")
    assert (await refusal(client.stub.Gone(EchoRequest(text="x")))).kind is ErrorKind.UNIMPLEMENTED
