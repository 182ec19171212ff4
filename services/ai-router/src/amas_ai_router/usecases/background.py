"""Work that nobody waits for but an exit: records of calls whose clients are gone, releases, alerts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

# How long draining waits, in seconds.
DRAIN_SECONDS = 10.0


class Background:
    """Tasks under way. As many as there are calls at most, whose number the server bounds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._under_way: set[asyncio.Task[Any]] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins; a failure is logged if nobody awaits it."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return task

    async def drain(self) -> None:
        """Waits, bounded, for what is under way."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=DRAIN_SECONDS)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("%s: %s", self._what, error)
