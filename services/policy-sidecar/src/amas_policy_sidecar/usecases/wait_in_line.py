"""Lets the calls of one tool server pass in the order in which they came, before they ask the shared quota for a place.

The quota's places are shared by all replicas and can only be asked for again and again, which is unfair under load: a
late call may find a place that an early one is pausing for. Within one process this line is first in, first out.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amas_policy_sidecar.domain.errors import overloaded
from amas_policy_sidecar.domain.quota import QuotaClaim

# Longest time in line, in seconds: who would wait longer is sent back to the caller, who waits durably.
MAX_WAIT = 5.0
# Lines kept: one for each tenant and tool server at work. An idle one makes room.
MAX_LINES = 1024


class Line:
    """The calls of one tool server: as many inside as it takes at once, the others in order."""

    def __init__(self, places: int) -> None:
        self.semaphore = asyncio.Semaphore(places)
        self.users = 0


class Lines:
    """One line for each tenant, tool server and bound."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, str, int], Line] = OrderedDict()

    @asynccontextmanager
    async def place(self, claim: QuotaClaim) -> AsyncIterator[None]:
        """Wait for a place and hold it; raises AmasError RESOURCE_EXHAUSTED, reason TOOL_BUSY, after MAX_WAIT."""
        line = self._line((claim.tenant, claim.server, claim.places))
        line.users += 1
        try:
            try:
                async with asyncio.timeout(MAX_WAIT):
                    await line.semaphore.acquire()
            except TimeoutError as error:
                raise overloaded("TOOL_BUSY", f"all places of {claim.server} are taken", retry_after=1.0) from error
            try:
                yield
            finally:
                line.semaphore.release()
        finally:
            line.users -= 1

    def _line(self, key: tuple[str, str, int]) -> Line:
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= MAX_LINES:
                self._lines = OrderedDict((name, kept) for name, kept in self._lines.items() if kept.users)
            line = self._lines[key] = Line(key[2])
        return line
