"""An event loop whose time passes only when nothing else is to be done, so that waits cost no time and no luck."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
START = datetime(2026, 6, 1, tzinfo=UTC)


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the time of its loop to the next timer."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everything waits and nothing is due: the test would hang"
            self.loop.seconds += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop, and a Clock that shows its time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        """The wall clock."""
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.seconds

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs to the end and closes; what is left over in the background is run too."""
        try:
            result = self.run_until_complete(work)
            while rest := asyncio.all_tasks(self):
                self.run_until_complete(asyncio.wait(rest))
            return result
        finally:
            self.close()
