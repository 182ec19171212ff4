"""What rides along with every outgoing call: a client span, W3C trace context, a deadline, a count.

It stands between a generated stub and its channel, rather than being grpc.aio interceptors: those run each call in a
task of its own, and a channel cannot tell which calls it still carries. It must never change a request or an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import grpc
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from . import deadlines, telemetry

__all__ = ["CountedCalls", "OutgoingChannel"]


class CountedCalls:
    """How many calls a channel carries."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        """One more."""
        self._count += 1
        self._idle.clear()

    def end(self) -> None:
        """One less."""
        self._count -= 1
        if self._count == 0:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until there is none."""
        await self._idle.wait()


class Calling(Protocol):
    """A channel, plain or multiplexed."""

    @property
    def unary_unary(self) -> Callable[..., Any]: ...
    @property
    def stream_unary(self) -> Callable[..., Any]: ...
    @property
    def unary_stream(self) -> Callable[..., Any]: ...
    @property
    def stream_stream(self) -> Callable[..., Any]: ...


class OutgoingChannel:
    """The four methods of a channel that generated stubs use."""

    def __init__(self, channel: Calling, calls: CountedCalls, timeout: float, stream_timeout: float) -> None:
        self._channel = channel
        self._calls = calls
        self._timeout = timeout
        self._stream_timeout = stream_timeout

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """See grpc.aio.Channel."""
        return self._outgoing(self._channel.unary_unary(method, *args, **kwargs), method, self._timeout)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """See grpc.aio.Channel."""
        return self._outgoing(self._channel.stream_unary(method, *args, **kwargs), method, self._stream_timeout)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """See grpc.aio.Channel."""
        return self._outgoing(self._channel.unary_stream(method, *args, **kwargs), method, self._stream_timeout)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """See grpc.aio.Channel."""
        return self._outgoing(self._channel.stream_stream(method, *args, **kwargs), method, self._stream_timeout)

    def _outgoing(self, multicallable: Any, method: str, default_timeout: float) -> Callable[..., Any]:
        tracer = telemetry.tracer(__name__)
        service, _, name = method.removeprefix("/").rpartition("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}

        def start(request: Any = None, *, timeout: float | None = None, metadata: Any = None, **options: Any) -> Any:
            span = tracer.start_span(f"{service}/{name}", kind=SpanKind.CLIENT, attributes=attributes)
            carried = (*(metadata or ()), ("traceparent", telemetry.traceparent_of(span)))
            limit = _capped(default_timeout if timeout is None else timeout)
            try:
                call = multicallable(request, timeout=limit, metadata=carried, **options)
            except BaseException:
                span.end()
                raise
            self._calls.begin()

            def finish(done: Any) -> None:
                self._calls.end()
                _end_span(span, done)

            call.add_done_callback(finish)
            return call

        return start


def _capped(timeout: float) -> float:
    left = deadlines.remaining()
    return timeout if left is None else min(timeout, left)


def _end_span(span: trace.Span, call: Any) -> None:
    # The call is done, so that its code is there without waiting: the coroutine ends at its first step.
    status = call.code()
    try:
        status.send(None)
    except StopIteration as known:
        if known.value is not grpc.StatusCode.OK:
            span.set_status(Status(StatusCode.ERROR, known.value.name))
    finally:
        status.close()
    span.end()
