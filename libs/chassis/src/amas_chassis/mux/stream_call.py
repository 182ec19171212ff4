"""A call with many answers over a multiplexed stream, read at its reader's pace.

The server sends a window ahead and then waits for credit, which goes back as the reader takes. It must never hold more
than the window and one message; a reader that stops early must cancel.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import grpc

from .client_calls import Deserializer, MuxCall
from .frames import FRAME_COST, Data, FrameError

__all__ = ["EOF", "WINDOW_BYTES", "StreamCall"]

# What a server may send of one call's stream ahead of its reader (bytes, see `frames.cost`).
WINDOW_BYTES = 64 * 1024
# Credit goes back in pieces of at least this size, so that a frame each is not needed (bytes).
_CREDIT_STEP = WINDOW_BYTES // 4
# One part may begin while any credit is left, so this much may be under way at most (bytes).
_MOST_AHEAD = WINDOW_BYTES + 48 * 1024

# What a reader gets after the last answer; the type stubs leave it out.
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]


class StreamCall(MuxCall):
    """Many answers: `async for answer in call`, or `await call.read()`."""

    window = WINDOW_BYTES

    def __init__(
        self, method: str, body: bytes, metadata: list[tuple[str, bytes]], timeout: float, deserialize: Deserializer
    ) -> None:
        super().__init__(method, body, metadata, timeout, deserialize)
        self._messages: deque[tuple[bytes, int]] = deque()
        self._reader: asyncio.Future[None] | None = None
        # Received and not yet given back as credit: all of it, the part that may go back, and the message half come.
        self._ahead = 0
        self._owed = 0
        self._half = 0

    def __aiter__(self) -> StreamCall:
        return self

    async def __anext__(self) -> Any:
        message = await self.read()
        if message is EOF:
            raise StopAsyncIteration
        return message

    async def read(self) -> Any:
        """The next answer, or grpc.aio.EOF; raises AioRpcError when the call failed, after what came before."""
        while not self._messages:
            if self._code is grpc.StatusCode.OK:
                return EOF
            if self._code is not None:
                raise self._error()
            if self._reader is not None:
                raise grpc.aio.UsageError("two readers of one call")
            self._reader = self._loop.create_future()
            try:
                await self._reader
            except asyncio.CancelledError:
                self.cancel()
                raise
            finally:
                self._reader = None
        message, weight = self._messages.popleft()
        self._give_back(weight)
        return self._deserialize(message)

    def cancel(self) -> bool:
        """See MuxCall; what came and was not read is dropped."""
        left = super().cancel()
        if left:
            self._messages.clear()
        return left

    def take(self, frame: Data) -> None:
        """See MuxCall. Raises FrameError for what goes beyond the window."""
        weight = FRAME_COST + len(frame.body)
        self._ahead += weight
        self._half += weight
        if self._ahead > _MOST_AHEAD:
            raise FrameError("more was sent than there was credit for")
        super().take(frame)
        # A message larger than the window must be able to arrive while its reader waits for it.
        if frame.more and not self._messages:
            weight, self._half = self._half, 0
            self._give_back(weight)

    def _take_whole(self, message: bytes) -> None:
        self._messages.append((message, self._half))
        self._half = 0
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _give_back(self, weight: int) -> None:
        if not self._messages:
            weight, self._half = weight + self._half, 0
        self._owed += weight
        if self._owed >= _CREDIT_STEP and self.carrier is not None and self._code is None:
            owed, self._owed = self._owed, 0
            self._ahead -= owed
            self.carrier.credit(self, owed)
