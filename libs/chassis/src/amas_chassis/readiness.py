"""Whether a process can do its work now: every check, run with a time-out, its answer kept for a second.

It must never say ready because it did not ask.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from .clock import Clock, SystemClock

__all__ = ["Readiness"]

_log = logging.getLogger(__name__)

# Seconds that one check may take before it counts as failed; a probe's own time-out is usually 3 s.
CHECK_TIMEOUT_SECONDS = 2.0
# Seconds that an answer stands, so that many probes cost one query.
CACHE_SECONDS = 1.0


class Readiness:
    """Runs the checks; several askers at once share one run."""

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[None]]], clock: Clock | None = None) -> None:
        self._checks = dict(checks)
        self._clock = clock or SystemClock()
        self._lock = asyncio.Lock()
        self._report: dict[str, str] = {}
        self._fresh_until = -1.0
        self._accepting = False

    def accept(self, accepting: bool) -> None:
        """Whether the process takes work at all: after its start, until its drain."""
        self._accepting = accepting

    async def ready(self) -> bool:
        """Whether the process accepts work and every check passes."""
        return self._accepting and not await self.problems()

    async def problems(self) -> dict[str, str]:
        """What fails, by check; {} if nothing does."""
        if not self._accepting:
            return {"lifecycle": "starting or draining"}
        async with self._lock:
            if self._clock.monotonic() >= self._fresh_until:
                results = await asyncio.gather(*(self._run(name) for name in self._checks))
                report = {name: problem for name, problem in zip(self._checks, results, strict=True) if problem}
                if report != self._report:
                    _log.warning("readiness changed", extra={"failing": report})
                self._report = report
                self._fresh_until = self._clock.monotonic() + CACHE_SECONDS
            return dict(self._report)

    async def _run(self, name: str) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self._checks[name]()
        except TimeoutError:
            return f"no answer within {CHECK_TIMEOUT_SECONDS:g} s"
        except Exception as error:
            # The type alone: the text of a driver's error may hold addresses or credentials, and /readyz is open.
            _log.debug("readiness check failed", exc_info=error, extra={"check": name})
            return type(error).__name__
        return ""
