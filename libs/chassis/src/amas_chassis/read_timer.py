"""One deadline for many waits of one task, at the price of one timer.

`asyncio.timeout` around each chunk of a stream costs several times what reading a chunk does. It must never turn a
cancellation from outside into a time-out, nor cut anything but a wait that it was given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["ReadTimer"]

T = TypeVar("T")


class ReadTimer:
    """Waits that all end `seconds` from now at the latest. Use it from one task, and `stop` it."""

    __slots__ = ("_cancels", "_due", "_handle", "_task")

    def __init__(self, seconds: float) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cancels = 0
        self._due = seconds <= 0
        self._handle = asyncio.get_running_loop().call_later(max(0.0, seconds), self._fire)

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """The awaitable's result. Raises TimeoutError when the time is over before it."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a wait needs a task")
        self._task, self._cancels = task, task.cancelling()
        try:
            if self._due:
                task.cancel()
            return await awaitable
        except asyncio.CancelledError:
            if self._due and task.uncancel() <= self._cancels:
                raise TimeoutError from None
            raise
        finally:
            self._task = None

    def stop(self) -> None:
        """Nothing is cut any more."""
        self._handle.cancel()

    def _fire(self) -> None:
        self._due = True
        if self._task is not None:
            self._task.cancel()
