"""Ends the work for a client when the client goes away, and with it the call upstream: nothing runs on unpaid.

It must never leave a cancellation of its own behind, nor swallow one of somebody else.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from amas_gateway.entrypoints.http_edge import Receive

# Work that is over sooner is not watched: a client's going is then noticed this much later (seconds), and a short call
# costs a timer instead of a task.
PATIENCE_SECONDS = 0.02


class ClientGoneError(Exception):
    """The client closed the connection; there is nobody to answer."""


class WhileConnected:
    """`async with WhileConnected(receive):` cancels its block, as ClientGoneError, when the client goes away.

    The request's body must have been read. As asyncio.timeout does it, the block runs in the caller's own task.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._cancelling = 0
        self._gone = False

    async def __aenter__(self) -> WhileConnected:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("a task is needed")
        self._cancelling = self._task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._gone and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise ClientGoneError from error

    def _watch(self) -> None:
        if self._task is not None:
            self._watcher = asyncio.create_task(self._disconnected())

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        # The block may have ended while this was on its way: then its task must not be touched.
        if self._task is not None:
            self._gone = True
            self._task.cancel()
