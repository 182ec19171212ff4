"""The channel of a multiplexed client: what generated stubs are made on. It opens streams and spreads calls on them.

A call goes on a stream that is ready, or waits for one, for a bounded time and never beyond its deadline. A call that
was handed to gRPC is never sent a second time: nobody knows how far it came.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc

from amas_chassis.errors import ErrorKind
from amas_chassis.rpc_errors import from_rpc_error

from . import frames
from .client_calls import MuxCall, UnaryCall, rpc_error
from .client_stream import END_SECONDS, ClientStream, State
from .frames import CARRY, MAX_BODY_BYTES
from .metadata import to_wire
from .stream_call import StreamCall

__all__ = ["MuxChannel"]

_log = logging.getLogger(__name__)

# Streams of one channel that take calls. Each further one is opened when the others are that busy; with several peers
# behind one name, gRPC puts them on different peers in turn.
MAX_STREAMS = 8
BUSY_CALLS = 512
# How long a call waits for a stream before it is told UNAVAILABLE (seconds); its deadline may end it earlier.
WAIT_SECONDS = 5.0
# Calls that wait for a stream; more are refused.
MAX_WAITING_CALLS = 10_000
# Pauses between attempts to open a stream (seconds): the first, then doubling up to the last, each with jitter.
FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 1.0
# A call that names no time-out ends after this (seconds).
LONGEST_SECONDS = 3_600.0

_jitter = random.SystemRandom()


class MuxChannel:
    """The four methods of a channel that generated stubs use, over `channel`; use it from one event loop.

    Methods that stream requests go over `channel` as plain calls: frames have no flow control for them. Calls go over
    `spread` streams also when one could carry them all, since each stream has one peer.
    """

    def __init__(self, channel: grpc.aio.Channel, spread: int = 1) -> None:
        self._channel = channel
        self._spread = min(spread, MAX_STREAMS)
        self._turn = 0
        carry: Any = channel.stream_stream
        self._carry = carry(CARRY)
        self._streams: list[ClientStream] = []
        self._waiting: deque[MuxCall] = deque()
        self._failures = 0
        self._pause: asyncio.TimerHandle | None = None
        self._last_error = "no stream is open"
        self._closed = False

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: Any
    ) -> Callable[..., UnaryCall]:
        """See grpc.aio.Channel."""
        return self._multicallable(UnaryCall, method, request_serializer, response_deserializer)

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: Any
    ) -> Callable[..., StreamCall]:
        """See grpc.aio.Channel."""
        return self._multicallable(StreamCall, method, request_serializer, response_deserializer)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A plain call."""
        return self._channel.stream_unary(method, *args, **kwargs)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A plain call."""
        return self._channel.stream_stream(method, *args, **kwargs)

    async def close(self, grace: float = 0.0) -> None:
        """Let calls end for `grace` seconds, then end the streams; what still waits or goes on is UNAVAILABLE."""
        self._closed = True
        if self._pause is not None:
            self._pause.cancel()
        self._refuse_waiting("the channel is closed")
        streams = list(self._streams)
        for stream in streams:
            stream.drain()
        await asyncio.gather(*(stream.ended(grace or (0.0 if stream.calls else END_SECONDS)) for stream in streams))

    def ready(self, stream: ClientStream) -> None:
        """See Owner."""
        self._failures = 0
        self._flush()

    def room(self, stream: ClientStream) -> None:
        """See Owner."""
        self._flush()

    def over(self, stream: ClientStream, error: grpc.aio.AioRpcError, unsent: list[MuxCall]) -> None:
        """See Owner."""
        self._streams.remove(stream)
        self._last_error = error.details() or error.code().name
        for call in unsent:
            self._wait(call)
        if stream.began and not unsent:
            self._flush()
        elif stream.began or from_rpc_error(error).kind is ErrorKind.UNAVAILABLE:
            self._failures += 1
            self._open_later()
        else:
            # The peer is there and will not have us: waiting would not help.
            self._finish_waiting(error)

    def _multicallable(self, kind: Any, method: str, serialize: Any, deserialize: Any) -> Callable[..., Any]:
        serialize = serialize or bytes
        deserialize = deserialize or bytes

        def start(request: Any, *, timeout: float | None = None, metadata: Any = None, **_options: Any) -> Any:
            body = serialize(request)
            seconds = LONGEST_SECONDS if timeout is None else min(max(0.0, timeout), frames.MAX_TIMEOUT_SECONDS)
            call = kind(method, body, to_wire(metadata), seconds, deserialize)
            if len(body) > MAX_BODY_BYTES:
                call.finish(grpc.StatusCode.RESOURCE_EXHAUSTED, "the request is too large")
            else:
                self._start(call)
            return call

        return start

    def _start(self, call: MuxCall) -> None:
        stream = None if self._waiting else self._pick()
        if stream is None:
            self._wait(call)
        else:
            stream.begin(call)
            if stream.calls >= BUSY_CALLS or len(self._streams) < self._spread:
                self._open_more()

    def _pick(self) -> ClientStream | None:
        """The stream with the fewest calls of those that take some; of several such, each in its turn."""
        best: ClientStream | None = None
        self._turn += 1
        for place in range(len(self._streams)):
            stream = self._streams[(self._turn + place) % len(self._streams)]
            if stream.open_to_calls and (best is None or stream.calls < best.calls):
                best = stream
        return best

    def _wait(self, call: MuxCall) -> None:
        if call.done():
            return
        if self._closed:
            call.finish(grpc.StatusCode.UNAVAILABLE, "the channel is closed")
            return
        if len(self._waiting) >= MAX_WAITING_CALLS:
            call.finish(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for a stream")
            return
        loop = asyncio.get_running_loop()
        if not call.waits_until:
            call.waits_until = loop.time() + WAIT_SECONDS
            timer = loop.call_at(call.waits_until, self._give_up, call)
            call.add_done_callback(lambda _: timer.cancel())
        call.carrier = self
        self._waiting.append(call)
        if self._pause is None:
            self._open_more()

    def cancelled(self, call: MuxCall) -> None:
        """See Carrier: it waits no more. Found when its turn comes, unless it is the first."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()

    def credit(self, call: MuxCall, amount: int) -> None:
        """See Carrier: nothing was received yet."""

    def _give_up(self, call: MuxCall) -> None:
        if call.carrier is self:
            call.carrier = None
            call.finish(grpc.StatusCode.UNAVAILABLE, self._last_error)
            self.cancelled(call)

    def _flush(self) -> None:
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
                continue
            stream = self._pick()
            if stream is None:
                self._open_more()
                return
            stream.begin(self._waiting.popleft())

    def _open_more(self) -> None:
        """One more stream, unless one is on its way already or there are enough."""
        taking = 0
        for stream in self._streams:
            if stream.state is State.CONNECTING:
                return
            taking += stream.state is State.READY
        if taking < MAX_STREAMS and not self._closed and self._pause is None:
            self._streams.append(ClientStream(self._carry, self))

    def _open_later(self) -> None:
        if not self._waiting or self._pause is not None or self._closed:
            return
        pause = min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10))

        def reopen() -> None:
            self._pause = None
            self._flush()

        loop = asyncio.get_running_loop()
        self._pause = loop.call_later(pause * _jitter.uniform(0.5, 1.0), reopen)

    def _refuse_waiting(self, details: str) -> None:
        self._finish_waiting(rpc_error(grpc.StatusCode.UNAVAILABLE, details))

    def _finish_waiting(self, error: grpc.aio.AioRpcError) -> None:
        came: Any = error.trailing_metadata()
        trailers = tuple(came or ())
        while self._waiting:
            call = self._waiting.popleft()
            call.carrier = None
            call.finish(error.code(), error.details() or "", trailers)
