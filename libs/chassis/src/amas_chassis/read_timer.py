"""One deadline for many waits of one task, at the price of one timer.

`asyncio.timeout` around each chunk of a stream costs several times what reading a chunk does. It must never turn a
cancellation from outside into a time-out, nor cut anything but a wait that it was given.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["ReadTimer"]

T = TypeVar("T")


class ReadTimer:
    """Waits that all end `seconds` from now at the latest. Use it from one task, and `stop` it."""

    __slots__ = ("_cutting", "_due", "_handle", "_task")

    def __init__(self, seconds: float) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cutting = False
        self._due = seconds <= 0
        self._handle = asyncio.get_running_loop().call_later(max(0.0, seconds), self._fire)

    async def wait(self, work: Awaitable[T]) -> T:
        """The work's result. Raises TimeoutError when the time is over before it; then it is not begun at all."""
        task = asyncio.current_task()
        if self._due or task is None:
            if inspect.iscoroutine(work):
                work.close()
            if task is None:
                raise RuntimeError("a wait needs a task")
            raise TimeoutError
        before = task.cancelling()
        self._task = task
        try:
            return await work
        except asyncio.CancelledError:
            if self._cutting:
                self._cutting = False
                if task.uncancel() <= before:
                    raise TimeoutError from None
            raise
        finally:
            self._task = None
            if self._cutting:
                # The work ended all the same: nothing of the cut may stay behind.
                self._cutting = False
                task.uncancel()

    def stop(self) -> None:
        """Nothing is cut any more."""
        self._handle.cancel()

    def _fire(self) -> None:
        self._due = True
        if self._task is not None:
            self._cutting = True
            self._task.cancel()
