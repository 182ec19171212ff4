"""When a round is due: after a change, after a while, and after a failure with growing patience."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from amas_operator.domain.errors import UnavailableError

GATHER_S = 0.3
"""`kubectl apply` of a folder makes one change after another: they become one round."""
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
JITTER = 0.2

_log = logging.getLogger(__name__)


class Controller:
    """Runs rounds one after another, for ever."""

    def __init__(
        self,
        reconcile: Callable[[], Awaitable[None]],
        changed: asyncio.Event,
        *,
        resync: float,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reconcile = reconcile
        self._changed = changed
        self._resync = resync
        self._pause = pause
        self._failures = 0

    async def run(self) -> None:
        """Until it is cancelled. The first round needs no change."""
        while True:
            self._changed.clear()
            if await self._succeeds():
                await self._wait_for_change()
                await self._pause(GATHER_S)

    async def _succeeds(self) -> bool:
        try:
            await self._reconcile()
        except UnavailableError as error:
            delay = self._delay()
            _log.warning("a round failed", extra={"why": str(error), "again_in_seconds": round(delay, 1)})
            await self._pause(delay)
            return False
        self._failures = 0
        return True

    def _delay(self) -> float:
        """Doubled with each failure in a row, and never quite the same for two operators."""
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return delay * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 -- spreads load, protects nothing

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(self._resync):
                await self._changed.wait()
        except TimeoutError:
            _log.debug("nothing changed for a while: looking all the same")
