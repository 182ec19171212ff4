"""Gathers what many calls want to send to one place, so that they share its round trips.

What comes while a batch is under way goes out with the next one: nobody waits for a clock, and a lone item goes at
once. It must never lose an item or answer one item with another's result.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar, cast

from .errors import AmasError, ErrorKind

__all__ = ["Batcher"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Batcher(Generic[ItemT, ResultT]):
    """Sends items in batches of at most `most`, `lanes` batches at a time; at most `pending` items wait.

    `send` answers one result an item, in their order; an exception among them is raised for that item alone, one that
    `send` raises for all of the batch. Use it from one event loop.
    """

    def __init__(
        self,
        send: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT | Exception]]],
        *,
        most: int,
        lanes: int = 1,
        pending: int = 10_000,
    ) -> None:
        self._send = send
        self._most = most
        self._lanes = lanes
        self._pending = pending
        self._waiting: deque[tuple[ItemT, asyncio.Future[ResultT]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, item: ItemT) -> ResultT:
        """The item's result. Whoever is cancelled while waiting leaves the item to be sent all the same.

        Raises UNAVAILABLE, reason OVERLOADED, when too many wait already, or what `send` raised.
        """
        if len(self._waiting) >= self._pending:
            raise AmasError(ErrorKind.UNAVAILABLE, "OVERLOADED", "too much is waiting to be written", retry_after=1.0)
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._under_way) < self._lanes:
            # A fresh context: the batch belongs to no single call, neither to its trace nor to its deadline.
            task = asyncio.get_running_loop().create_task(self._lane(), context=contextvars.Context())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return await future

    async def _lane(self) -> None:
        try:
            await self._drain()
        finally:
            # Now, and not with the task's callbacks a turn later: what is put in between would wait for nobody.
            self._under_way.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                results = await self._send([item for item, _ in batch])
                if len(results) != len(batch):
                    raise AssertionError("one result an item")
            except BaseException as error:
                _fail(batch, error)
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    _answer(future, result)


def _answer(future: asyncio.Future[ResultT], result: ResultT | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _fail(batch: Sequence[tuple[ItemT, asyncio.Future[ResultT]]], error: BaseException) -> None:
    shown = error if isinstance(error, Exception) else None
    for _, future in batch:
        if future.done():
            continue
        if shown is None:
            future.cancel()
        else:
            future.set_exception(shown)
