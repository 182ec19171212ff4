"""Sends what has gathered: what arrives while one send is under way goes out together with the next one.

It exists because a send costs about the same for one item as for fifty. It must never hold an item back to wait for
company, never change the order of what it was given, and never hold more than it was told to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Gathering"]

T = TypeVar("T")


class Gathering(Generic[T]):
    """A bounded queue in front of one sender. Use it from one event loop; something must run `run`.

    `size` weighs an item (bytes, or 1 for each), `max_batch` ends a batch that has reached it, and `put` waits while
    `max_waiting` is reached. Who waits is served in turn, so that one who sends much cannot crowd out the others.
    """

    def __init__(
        self,
        send: Callable[[list[T]], Awaitable[object]],
        size: Callable[[T], int],
        *,
        max_batch: int,
        max_waiting: int,
    ) -> None:
        self._send = send
        self._size = size
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._items: deque[T] = deque()
        self._waiting = 0
        self._in_line: deque[tuple[T, asyncio.Future[None]]] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._closing = False
        self._over = False

    @property
    def has_room(self) -> bool:
        """Whether `put` would not wait."""
        return self._waiting < self._max_waiting and not self._in_line

    @property
    def waiting(self) -> int:
        """How much is queued and not yet handed to the sender, by `size`; who waits in `put` is not counted."""
        return self._waiting

    def add(self, item: T) -> None:
        """Queue an item without regard to the bound: for small ones whose number something else bounds."""
        self._items.append(item)
        self._waiting += self._size(item)
        wake = self._wake
        if wake is not None:
            self._wake = None
            if not wake.done():
                wake.set_result(None)

    async def put(self, item: T) -> None:
        """Queue an item as soon as there is room. Raises ConnectionError when the sender has ended."""
        if self._over:
            raise ConnectionError("the sender has ended")
        if self.has_room:
            self.add(item)
            return
        queued = asyncio.get_running_loop().create_future()
        self._in_line.append((item, queued))
        await queued

    async def run(self) -> None:
        """Send until `close` and all is sent; raises what the sender raises."""
        try:
            while True:
                while not self._items:
                    if self._closing:
                        return
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
                await self._send(self._batch())
        finally:
            self._over = True
            while self._in_line:
                _, queued = self._in_line.popleft()
                if not queued.done():
                    queued.set_exception(ConnectionError("the sender has ended"))

    def close(self) -> None:
        """Let `run` end once all that is queued is sent."""
        self._closing = True
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

    def abandon(self) -> None:
        """Drop what is queued, and let `run` end with the send that is under way."""
        self._items.clear()
        self._waiting = 0
        self.close()

    def left(self) -> list[T]:
        """What was queued and never handed to the sender."""
        return list(self._items)

    def _batch(self) -> list[T]:
        items, size = self._items, self._size
        batch: list[T] = []
        weight = 0
        while items and weight < self._max_batch:
            item = items.popleft()
            weight += size(item)
            batch.append(item)
        self._waiting -= weight
        while self._in_line and self._waiting < self._max_waiting:
            item, queued = self._in_line.popleft()
            if not queued.done():
                items.append(item)
                self._waiting += size(item)
                queued.set_result(None)
        return batch
