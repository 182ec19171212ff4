"""One multiplexed stream from the client's side: it opens calls, hands them what comes, and ends them when it breaks.

It must never fail a call that was not handed to gRPC: such a call goes back to who opened it, to be sent elsewhere.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from typing import Any, Protocol

import grpc

from amas_chassis.gathering import Gathering

from . import frames
from .client_calls import MuxCall, rpc_error
from .frames import Answer, Cancel, Credit, Data, Drain, Frame, FrameError, Hello, Open
from .metadata import Pairs, from_wire
from .stream_call import EOF
from .turns import Turns

__all__ = ["ClientStream", "Owner", "State"]

_log = logging.getLogger(__name__)

# From the first byte to the server's Hello (seconds); gRPC's own attempts to connect are within it.
HELLO_SECONDS = 5.0
# What a server may say about how many calls it takes is believed up to here.
MAX_CALLS = 2_048
# Requests of several parts that are being sent at once (bytes). Well below what a server takes half come
# (server_stream.MAX_HALF_COME_BYTES), as further calls may have begun with their first part.
MAX_SENDING_BYTES = 40 * 1024 * 1024
# How long the end of a stream may take once its last call is over (seconds).
END_SECONDS = 2.0
# Of calls that broke under way (gRFC A6): nobody knows how far one came, and who may not do it twice must know.
_NO_RETRY: Pairs = (("grpc-retry-pushback-ms", "-1"),)
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class State(enum.Enum):
    """The life of a stream."""

    CONNECTING = enum.auto()
    READY = enum.auto()
    DRAINING = enum.auto()
    OVER = enum.auto()


class Owner(Protocol):
    """Who opened the stream."""

    def ready(self, stream: ClientStream) -> None:
        """It takes calls now."""
        ...

    def room(self, stream: ClientStream) -> None:
        """A call ended on it."""
        ...

    def over(self, stream: ClientStream, error: grpc.aio.AioRpcError, unsent: list[MuxCall]) -> None:
        """It is over; `unsent` were never handed to gRPC."""
        ...


class ClientStream:
    """One stream. `carry` begins the carrying RPC."""

    def __init__(self, carry: Callable[[], Any], owner: Owner) -> None:
        self._carry = carry
        self._owner = owner
        self.state = State.CONNECTING
        # Whether it ever took calls.
        self.began = False
        self._calls: dict[int, MuxCall] = {}
        self._last = 0
        self._limit = 0
        self._rpc: Any = None
        self._outbox: Gathering[Frame] = Gathering(
            self._write, frames.cost, max_batch=frames.BATCH_BYTES, max_waiting=frames.MAX_WAITING_BYTES
        )
        # The further parts of large requests.
        self._bodies: dict[int, asyncio.Task[None]] = {}
        self._turns = Turns(MAX_SENDING_BYTES)
        self._task = asyncio.create_task(self._run())

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return len(self._calls)

    @property
    def open_to_calls(self) -> bool:
        """Whether `begin` may be called."""
        return self.state is State.READY and len(self._calls) < self._limit

    def begin(self, call: MuxCall) -> None:
        """Send a call's request."""
        self._last += 1
        number = call.number = self._last
        call.carrier = self
        self._calls[number] = call
        # The first frame goes at once, so that ids rise; without room it goes without a body.
        size = len(call.body)
        at_once = self._outbox.has_room and (size <= frames.PART_BYTES or self._turns.free(size))
        parts = frames.parts(call.body) if at_once else [b"", *frames.parts(call.body)]
        left, more = call.time_remaining(), len(parts) > 1
        self._outbox.add(Open(number, call.method, left, call.metadata, call.window, parts[0], more))
        if more:
            sending = asyncio.create_task(self._send_parts(number, parts[1:], size))
            self._bodies[number] = sending
            sending.add_done_callback(lambda _: self._bodies.pop(number, None))

    def cancelled(self, call: MuxCall) -> None:
        """See Carrier."""
        if self._calls.get(call.number) is not call:
            return
        self._forget(call)
        if self.state is not State.OVER:
            self._outbox.add(Cancel(call.number))

    def credit(self, call: MuxCall, amount: int) -> None:
        """See Carrier."""
        if self.state is not State.OVER:
            self._outbox.add(Credit(call.number, amount))

    def drain(self) -> None:
        """Take no further call; the stream ends with its last one."""
        if self.state is State.READY:
            self.state = State.DRAINING
        if self.state is State.DRAINING and not self._calls:
            self._outbox.close()

    async def close(self) -> None:
        """End it now; calls under way fail."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def ended(self, seconds: float) -> None:
        """Wait until it is over, at most `seconds`, then end it."""
        await asyncio.wait((self._task,), timeout=seconds)
        await self.close()

    async def _run(self) -> None:
        error = _unavailable("the stream was closed")
        writing: asyncio.Task[None] | None = None
        try:
            self._rpc = self._carry()
            await self._greeted()
            writing = asyncio.create_task(self._write_all())
            while (message := await self._rpc.read()) is not EOF:
                for frame in frames.from_server(message):
                    self._take(frame)
            error = _unavailable("the stream ended")
        except grpc.aio.AioRpcError as broken:
            error = broken
        except FrameError as broken:
            _log.error("a server does not speak the protocol of multiplexed streams: %s", broken)
            error = rpc_error(grpc.StatusCode.INTERNAL, f"the peer broke the protocol: {broken}")
        finally:
            if writing is not None:
                writing.cancel()
            if self._rpc is not None:
                self._rpc.cancel()
            self._end(error)

    async def _greeted(self) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                message = await self._rpc.read()
        except TimeoutError:
            raise _unavailable("the peer did not take the stream in time") from None
        if message is EOF:
            raise _unavailable("the stream ended before it began")
        came = frames.from_server(message)
        greeting = came[0] if came else None
        if not isinstance(greeting, Hello) or greeting.version != frames.VERSION:
            raise FrameError("another greeting than expected")
        self._limit = min(greeting.max_calls, MAX_CALLS)
        self.state, self.began = State.READY, True
        self._owner.ready(self)
        for frame in came[1:]:
            self._take(frame)

    def _take(self, frame: frames.FromServer) -> None:
        if isinstance(frame, Drain):
            self.drain()
            return
        if isinstance(frame, Hello):
            raise FrameError("a second greeting")
        call = self._calls.get(frame.call)
        if call is None:
            if frame.call > self._last:
                raise FrameError("a call that was never opened")
        elif isinstance(frame, Answer):
            self._forget(call)
            call.take(Data(frame.call, frame.body, False))
            call.finish(grpc.StatusCode.OK, "")
        elif isinstance(frame, Data):
            call.take(frame)
        else:
            self._forget(call)
            call.finish(_CODES[frame.code], frame.details, from_wire(frame.metadata))

    def _forget(self, call: MuxCall) -> None:
        del self._calls[call.number]
        call.carrier = None
        sending = self._bodies.pop(call.number, None)
        if sending is not None:
            sending.cancel()
        if self.state is State.DRAINING:
            self.drain()
        elif self.state is State.READY and len(self._calls) == self._limit - 1:
            self._owner.room(self)

    async def _send_parts(self, number: int, parts: list[bytes], size: int) -> None:
        last = len(parts) - 1
        try:
            async with self._turns.turn(size):
                for index, part in enumerate(parts):
                    await self._outbox.put(Data(number, part, index < last))
        except ConnectionError:
            # The stream is over, and has told the call so.
            return

    async def _write_all(self) -> None:
        try:
            await self._outbox.run()
            await self._rpc.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The reader meets the same end, with its reason.
            return
        except Exception:
            _log.exception("a multiplexed stream cannot be written to")
            self._rpc.cancel()

    async def _write(self, batch: list[Frame]) -> None:
        await self._rpc.write(frames.encode(batch))

    def _end(self, error: grpc.aio.AioRpcError) -> None:
        self.state = State.OVER
        unsent_numbers = {frame.call for frame in self._outbox.left() if isinstance(frame, Open)}
        calls, self._calls = self._calls, {}
        for sending in self._bodies.values():
            sending.cancel()
        unsent = []
        for number, call in calls.items():
            call.carrier = None
            if number in unsent_numbers:
                unsent.append(call)
            else:
                call.finish(grpc.StatusCode.UNAVAILABLE, f"the stream broke: {error.details()}", _NO_RETRY)
        self._owner.over(self, error, unsent)


def _unavailable(details: str) -> grpc.aio.AioRpcError:
    return rpc_error(grpc.StatusCode.UNAVAILABLE, details)
