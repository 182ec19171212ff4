"""One multiplexed stream from the server's side: frames in, a task for each call, frames out.

The reader never waits for a call, so that none holds up the others; what a peer can make us hold is bounded by the
number of its calls, the size of a message and the bytes of requests that are half come. It must never outlive its peer:
when the stream ends, so do the handlers of its calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import Any, Protocol

import grpc

from amas_chassis.gathering import Gathering

from . import frames
from .frames import Answer, Cancel, Credit, Data, Drain, End, Frame, FrameError, Hello, Open
from .metadata import to_wire
from .server_call import ServerCallContext, in_parts

__all__ = ["MAX_CALLS", "Method", "ServerStream"]

_log = logging.getLogger(__name__)

# Calls under way on one stream; a client that keeps to what Hello says never meets it.
MAX_CALLS = 2_048
# Requests of one stream that are half come (bytes); a call that goes beyond is refused.
MAX_HALF_COME_BYTES = 64 * 1024 * 1024
# How long handlers may take to unwind when their stream has gone, before they are left to themselves (seconds).
UNWIND_SECONDS = 5.0
# Longest text of an end (characters), as errors from our own layers keep to.
MAX_DETAILS = 1_024


class Method(Protocol):
    """A method that is served: how it reads, answers and writes."""

    request_deserializer: Callable[[bytes], Any]
    response_serializer: Callable[[Any], bytes]
    response_streaming: bool

    async def serve(self, request: Any, context: Any) -> Any:
        """The handler with all layers around it."""
        ...


class ServerStream:
    """One stream of one peer. `method` finds what serves a method, None for one that nobody serves."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], method: Callable[[str], Method | None]) -> None:
        self._context = context
        # Asked once: it is the same for every call, and making it costs.
        self._auth = context.auth_context()
        self._method = method
        self._calls: dict[int, ServerCallContext] = {}
        self._last = 0
        self._half_come = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._outbox: Gathering[Frame] = Gathering(
            self._write, frames.cost, max_batch=frames.BATCH_BYTES, max_waiting=frames.MAX_WAITING_BYTES
        )

    async def run(self, messages: AsyncIterator[bytes]) -> None:
        """Serve until the client says that it is done, or goes away. Raises FrameError for a peer without manners."""
        self._outbox.add(Hello(frames.VERSION, MAX_CALLS))
        writing = asyncio.create_task(self._outbox.run())
        serving = asyncio.current_task()

        def written(_: Any) -> None:
            # A stream that cannot be written to serves nobody.
            if not writing.cancelled() and writing.exception() is not None and serving is not None:
                _log.info("a multiplexed stream cannot be written to", extra={"error": repr(writing.exception())})
                serving.cancel()

        writing.add_done_callback(written)
        try:
            async for message in messages:
                for frame in frames.from_client(message):
                    self._take(frame)
            await self._idle.wait()
            writing.remove_done_callback(written)
            self._outbox.close()
            await writing
        except FrameError:
            writing.remove_done_callback(written)
            await self._end_calls()
            self._outbox.abandon()
            # gRPC takes no status while a message is on its way, and cannot take that one back.
            await asyncio.wait((writing,))
            raise
        finally:
            writing.remove_done_callback(written)
            writing.cancel()
            await self._end_calls()
            await asyncio.wait((writing,))

    def drain(self) -> None:
        """Ask the client to open no further call here."""
        self._outbox.add(Drain())

    def _take(self, frame: frames.FromClient) -> None:
        if isinstance(frame, Open):
            self._open(frame)
            return
        call = self._calls.get(frame.call)
        if call is None:
            if frame.call > self._last:
                raise FrameError("a call that was never opened")
        elif isinstance(frame, Data):
            self._data(call, frame.body, frame.more)
        elif isinstance(frame, Credit):
            call.credit(frame.amount)
        elif isinstance(frame, Cancel):
            self._leave(call)

    def _open(self, frame: Open) -> None:
        if frame.call <= self._last:
            raise FrameError("call ids that do not rise")
        self._last = frame.call
        if len(self._calls) >= MAX_CALLS:
            self._refuse(frame.call, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls on one stream")
            return
        method = self._method(frame.method)
        if method is None:
            self._refuse(frame.call, grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            return
        call = ServerCallContext(
            frame.call,
            frame.method,
            frame.timeout,
            frame.metadata,
            frame.window,
            self._context,
            self._auth,
            self._outbox,
        )
        call.handler = method
        call.timer = asyncio.get_running_loop().call_at(call.expires, self._expire, call)
        self._calls[frame.call] = call
        self._idle.clear()
        self._data(call, frame.body, frame.more)

    def _data(self, call: ServerCallContext, body: bytes, more: bool) -> None:
        if call.task is not None or call.left:
            raise FrameError("a second request of one call")
        call.request.append(body)
        if more:
            call.request_bytes += len(body)
            self._half_come += len(body)
            if call.request_bytes > frames.MAX_BODY_BYTES or self._half_come > MAX_HALF_COME_BYTES:
                self._end(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "the request is too large")
                self._leave(call)
            return
        self._half_come -= call.request_bytes
        call.request_bytes = 0
        # A context of its own: nothing of the carrying call, or of another one, is current in a handler.
        call.task = asyncio.get_running_loop().create_task(self._serve(call), context=Context())

    async def _serve(self, call: ServerCallContext) -> None:
        method: Method = call.handler
        call.started = True
        try:
            body = call.request[0] if len(call.request) == 1 else b"".join(call.request)
            call.request = []
            response = await method.serve(method.request_deserializer(body), call)
            if not call.left:
                await self._answer(call, method, response)
        except grpc.aio.AbortError:
            self._end(call, call.code() or grpc.StatusCode.UNKNOWN, call.details())
        except asyncio.CancelledError:
            self._end(call, grpc.StatusCode.CANCELLED, "the handler was cancelled")
            raise
        except ConnectionError:
            # The stream has gone, and so has everybody who could be told.
            return
        except Exception as error:
            # Layers turn what a handler raises into a status; this is a request or an answer that cannot be read.
            _log.error("call failed outside its handler", exc_info=error, extra={"method": call.method})
            self._end(call, grpc.StatusCode.INTERNAL, "internal error")
        finally:
            self._over(call)

    async def _answer(self, call: ServerCallContext, method: Method, response: Any) -> None:
        code = call.code()
        if code is not None and code is not grpc.StatusCode.OK:
            self._end(call, code, call.details())
            return
        if not method.response_streaming:
            body = method.response_serializer(response)
            if len(body) <= frames.PART_BYTES and not call.trailing_metadata() and self._outbox.has_room:
                self._outbox.add(Answer(call.number, body))
                call.left = True
                return
            if len(body) > frames.MAX_BODY_BYTES:
                self._end(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "the answer is too large")
                return
            for part, more in in_parts(body):
                await self._outbox.put(Data(call.number, part, more))
        self._end(call, grpc.StatusCode.OK, call.details())

    def _end(self, call: ServerCallContext, code: grpc.StatusCode, details: str) -> None:
        if call.left:
            return
        call.left = True
        try:
            trailers = to_wire(call.trailing_metadata())
        except ValueError:
            _log.error("trailing metadata that no frame can carry", extra={"method": call.method})
            trailers = []
        self._outbox.add(End(call.number, code.value[0], details[:MAX_DETAILS], trailers))

    def _refuse(self, number: int, code: grpc.StatusCode, details: str) -> None:
        self._outbox.add(End(number, code.value[0], details, []))

    def _expire(self, call: ServerCallContext) -> None:
        call.timer = None
        self._end(call, grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        self._leave(call)

    def _leave(self, call: ServerCallContext) -> None:
        """Nobody waits for it: its handler is cancelled; it counts until the handler has unwound."""
        call.left = True
        if call.task is not None:
            call.task.cancel()
        if not call.started:
            self._half_come -= call.request_bytes
            call.request_bytes = 0
            call.request = []
            self._over(call)

    def _over(self, call: ServerCallContext) -> None:
        self._calls.pop(call.number, None)
        call.ended()
        if not self._calls:
            self._idle.set()

    async def _end_calls(self) -> None:
        tasks = []
        for call in list(self._calls.values()):
            self._leave(call)
            if call.task is not None:
                tasks.append(call.task)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=UNWIND_SECONDS)
            if late:
                _log.warning("handlers that do not end with their callers", extra={"calls": len(late)})

    async def _write(self, batch: list[Frame]) -> None:
        await self._context.write(frames.encode(batch))
