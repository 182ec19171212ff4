"""One call that came as frames: the face of grpc.aio's ServicerContext that handlers and layers use.

It must never let more be sent of a stream than its reader has given credit for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Protocol

import grpc

from .frames import FRAME_COST, Data, FrameError, Metadata, parts
from .metadata import Pairs, from_wire

__all__ = ["Outbox", "ServerCallContext"]

# More credit than this at once is no window (bytes).
_MAX_CREDIT = 2**31


class Outbox(Protocol):
    """Where frames go."""

    @property
    def has_room(self) -> bool:
        """Whether `put` would not wait."""
        ...

    def add(self, item: Any) -> None:
        """Queue without waiting."""
        ...

    async def put(self, item: Any) -> None:
        """Queue as soon as there is room."""
        ...


class ServerCallContext:
    """A call under way. `number` is its id; `handler` and `task` are set when it is served."""

    def __init__(
        self,
        number: int,
        method: str,
        timeout: float,
        metadata: Metadata,
        window: int,
        carrying: grpc.aio.ServicerContext[Any, Any],
        auth: Mapping[str, Iterable[bytes]],
        outbox: Outbox,
    ) -> None:
        self.number = number
        self.method = method
        self.request: list[bytes] = []
        self.request_bytes = 0
        self.handler: Any = None
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        # Set once the task runs: one that is cancelled before it does never gets to its clean-up.
        self.started = False
        # Set when nobody is to be answered any more.
        self.left = False
        self._loop = asyncio.get_running_loop()
        self.expires = self._loop.time() + timeout
        self._metadata = metadata
        self._credit = window
        self._more_credit: asyncio.Future[None] | None = None
        self._carrying = carrying
        self._auth = auth
        self._outbox = outbox
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Pairs = ()
        self._callbacks: list[Callable[[Any], None]] = []

    def time_remaining(self) -> float:
        """Seconds until the caller's deadline, at least 0."""
        return max(0.0, self.expires - self._loop.time())

    def invocation_metadata(self) -> Pairs:
        """What the caller sent along."""
        return from_wire(self._metadata)

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """What TLS verified of the peer on the carrying stream."""
        return self._auth

    def peer(self) -> str:
        """The address of the peer on the carrying stream."""
        return self._carrying.peer()

    def code(self) -> grpc.StatusCode | None:
        """The code that was set, or None."""
        return self._code

    def details(self) -> str:
        """The text that was set."""
        return self._details

    def set_code(self, code: grpc.StatusCode) -> None:
        """End with this code, should the handler return."""
        self._code = code

    def set_details(self, details: str) -> None:
        """End with this text, should the handler return."""
        self._details = details

    def trailing_metadata(self) -> Pairs:
        """What will be sent at the end."""
        return self._trailers

    def set_trailing_metadata(self, trailing_metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Send this at the end."""
        self._trailers = tuple(trailing_metadata)

    async def send_initial_metadata(self, _metadata: Any) -> NoReturn:
        """Frames carry none: better said than lost."""
        raise grpc.aio.UsageError("initial metadata cannot be sent on a multiplexed stream")

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Iterable[tuple[str, str | bytes]] = ()
    ) -> NoReturn:
        """End the call with an error; always raises grpc.aio.AbortError."""
        self._code, self._details = code, details
        if trailing_metadata:
            self._trailers = tuple(trailing_metadata)
        raise grpc.aio.AbortError("Locally aborted.")

    def cancelled(self) -> bool:
        """Whether the caller has gone, or the deadline has passed."""
        return self.left

    def done(self) -> bool:
        """Whether the call is over."""
        return self.left or (self.task is not None and self.task.done())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback(context)` when the call is over."""
        self._callbacks.append(callback)

    def ended(self) -> None:
        """Tell who asked to be told."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for callback in self._callbacks:
            callback(self)
        self._callbacks.clear()

    async def write(self, message: Any) -> None:
        """Send one answer of a stream; waits for the reader's credit and for room on the stream."""
        for part, more in in_parts(self.handler.response_serializer(message)):
            while self._credit <= 0:
                await self._credited()
            if self.left:
                raise grpc.aio.UsageError("the call is over")
            self._credit -= FRAME_COST + len(part)
            frame = Data(self.number, part, more)
            if self._outbox.has_room:
                self._outbox.add(frame)
            else:
                await self._outbox.put(frame)

    def credit(self, amount: int) -> None:
        """The reader has taken so much. Raises FrameError for more than can be true."""
        self._credit += amount
        if self._credit > _MAX_CREDIT:
            raise FrameError("credit beyond every window")
        if self._more_credit is not None and not self._more_credit.done():
            self._more_credit.set_result(None)

    async def _credited(self) -> None:
        if self._more_credit is not None:
            raise grpc.aio.UsageError("two writers of one call")
        self._more_credit = self._loop.create_future()
        try:
            await self._more_credit
        finally:
            self._more_credit = None


def in_parts(body: bytes) -> list[tuple[bytes, bool]]:
    """A message's parts, each with whether the message goes on."""
    pieces = parts(body)
    return [(piece, index < len(pieces) - 1) for index, piece in enumerate(pieces)]
