"""The call objects that generated stubs hand out over a multiplexed stream: grpc.aio's face, no task each.

They know nothing of streams: a `Carrier` sends for them, and tells them what came. They must never end twice.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any, Protocol

import grpc

from .frames import MAX_BODY_BYTES, Data, FrameError
from .metadata import Pairs

__all__ = ["Carrier", "Deserializer", "MuxCall", "UnaryCall", "rpc_error"]

Deserializer = Callable[[bytes], Any]


class Carrier(Protocol):
    """What carries a call."""

    def cancelled(self, call: MuxCall) -> None:
        """The caller has gone."""
        ...

    def credit(self, call: MuxCall, amount: int) -> None:
        """The caller has read so much."""
        ...


class MuxCall(ABC):
    """What unary and streaming calls share: grpc.aio.Call. `method`, `body`, `metadata`, `timeout`: what is asked."""

    window = 0

    def __init__(
        self, method: str, body: bytes, metadata: list[tuple[str, bytes]], timeout: float, deserialize: Deserializer
    ) -> None:
        self.method = method
        self.body = body
        self.metadata = metadata
        self.number = 0
        self.carrier: Carrier | None = None
        # A call that waits for a stream gives up at this moment (the loop's time).
        self.waits_until = 0.0
        self._deserialize = deserialize
        self._loop = asyncio.get_running_loop()
        self.expires = self._loop.time() + timeout
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(timeout, self._expire)
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Pairs = ()
        self._cancelled = False
        self._callbacks: list[Callable[[Any], None]] = []
        self._incoming: list[bytes] = []
        self._incoming_bytes = 0

    def done(self) -> bool:
        """Whether the call is over."""
        return self._code is not None

    def cancelled(self) -> bool:
        """Whether it was cancelled on this side."""
        return self._cancelled

    def cancel(self) -> bool:
        """End it, here and on the server; False if it was over."""
        if self._code is not None:
            return False
        self._cancelled = True
        self._leave(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback(call)` when it is over; at once if it is."""
        if self._code is not None:
            callback(self)
        else:
            self._callbacks.append(callback)

    def time_remaining(self) -> float:
        """Seconds until its deadline, at least 0."""
        return max(0.0, self.expires - self._loop.time())

    async def code(self) -> grpc.StatusCode:
        """The status code, once it is over."""
        if self._code is None:
            await self._over()
        assert self._code is not None  # noqa: S101 - for the type checker: the call is over
        return self._code

    async def details(self) -> str:
        """The status text, once it is over."""
        await self.code()
        return self._details

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """What the server said at the end."""
        await self.code()
        return grpc.aio.Metadata(*self._trailers)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """Always empty: frames carry none."""
        return grpc.aio.Metadata()

    def finish(self, code: grpc.StatusCode, details: str, trailers: Pairs = ()) -> None:
        """The call is over; a second end is passed over."""
        if self._code is not None:
            return
        self._code, self._details, self._trailers = code, details, trailers
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.body = b""
        self._wake()
        for callback in self._callbacks:
            callback(self)
        self._callbacks.clear()

    def take(self, frame: Data) -> None:
        """A part of a message came. Raises FrameError for a message beyond every bound."""
        self._incoming.append(frame.body)
        self._incoming_bytes += len(frame.body)
        if self._incoming_bytes > MAX_BODY_BYTES:
            raise FrameError("a message that is too large")
        if not frame.more:
            whole = self._incoming[0] if len(self._incoming) == 1 else b"".join(self._incoming)
            self._incoming, self._incoming_bytes = [], 0
            self._take_whole(whole)

    @abstractmethod
    def _take_whole(self, message: bytes) -> None:
        """A whole message came."""

    @abstractmethod
    def _wake(self) -> None:
        """Something came, or the call has ended: who waits looks again."""

    def _expire(self) -> None:
        self._timer = None
        self._leave(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def _leave(self, code: grpc.StatusCode, details: str) -> None:
        carrier, self.carrier = self.carrier, None
        self.finish(code, details)
        if carrier is not None:
            carrier.cancelled(self)

    async def _over(self) -> None:
        over = self._loop.create_future()

        def wake(_call: Any) -> None:
            if not over.done():
                over.set_result(None)

        self._callbacks.append(wake)
        await over

    def _error(self) -> BaseException:
        if self._cancelled:
            return asyncio.CancelledError()
        assert self._code is not None  # noqa: S101 - for the type checker: only asked of a call that is over
        return rpc_error(self._code, self._details, self._trailers)


def rpc_error(code: grpc.StatusCode, details: str, trailers: Pairs = ()) -> grpc.aio.AioRpcError:
    """A failure in the form in which grpc.aio raises its own."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details, None)


class UnaryCall(MuxCall):
    """One answer: `await call`."""

    def __init__(
        self, method: str, body: bytes, metadata: list[tuple[str, bytes]], timeout: float, deserialize: Deserializer
    ) -> None:
        super().__init__(method, body, metadata, timeout, deserialize)
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._whole: bytes | None = None

    def __await__(self) -> Generator[Any, None, Any]:
        if self._code is None:
            try:
                yield from self._done
            except asyncio.CancelledError:
                self.cancel()
                raise
        if self._code is not grpc.StatusCode.OK:
            raise self._error()
        assert self._whole is not None  # noqa: S101 - for the type checker: `finish` has seen to it
        return self._deserialize(self._whole)

    def finish(self, code: grpc.StatusCode, details: str, trailers: Pairs = ()) -> None:
        """See MuxCall; a good end without an answer is none."""
        if code is grpc.StatusCode.OK and self._whole is None:
            code, details = grpc.StatusCode.INTERNAL, "the call ended without an answer"
        super().finish(code, details, trailers)

    def _take_whole(self, message: bytes) -> None:
        if self._whole is not None:
            raise FrameError("a unary call was answered twice")
        self._whole = message

    def _wake(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
