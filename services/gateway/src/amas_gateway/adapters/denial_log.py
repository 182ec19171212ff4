"""Refused accesses on their way to the audit log, in the background.

A record and no gate: a request never waits for it. A flood must not become a flood of the log, so that equal refusals
within one interval become one event with a count, and what does not fit is counted as dropped.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from amas_chassis.errors import AmasError

from amas_gateway.domain.model import Denial
from amas_gateway.telemetry import Instruments

from .audit_client import DENIED, AuditLog

FLUSH_SECONDS = 1.0
# Different refusals that wait; also more than one Append takes (256).
MAX_WAITING = 1024
MAX_BATCH = 256
# Seconds that the last flush may take when the process ends.
CLOSE_SECONDS = 2.0
# Tenant of refusals before anybody was identified: no tenant can have this name, since `_` is not allowed in one.
NOBODY = "_unauthenticated"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Counted:
    """How often a refusal happened in the interval, with the trace of its first time as an example."""

    trace_id: str
    count: int = 1


class DenialLog:
    """Port `AccessLog`. `run` is a background task of the service."""

    def __init__(self, audit: AuditLog, instruments: Instruments) -> None:
        self._audit = audit
        self._instruments = instruments
        # Keyed without the trace id.
        self._waiting: dict[Denial, _Counted] = {}

    def denied(self, denial: Denial) -> None:
        key = replace(denial, trace_id="")
        entry = self._waiting.get(key)
        if entry is not None:
            entry.count += 1
        elif len(self._waiting) < MAX_WAITING:
            self._waiting[key] = _Counted(denial.trace_id)
        else:
            self._instruments.denials_dropped.inc()

    async def run(self) -> None:
        """Appends what waits, each interval, for the life of the service."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def close(self) -> None:
        """Appends what still waits, within CLOSE_SECONDS."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.flush()
        except TimeoutError:
            self._lost(len(self._waiting))

    async def flush(self) -> None:
        """Appends what waits; what cannot be appended is dropped and counted."""
        while self._waiting:
            batch = [(key, self._waiting.pop(key)) for key in list(self._waiting)[:MAX_BATCH]]
            events = [
                self._audit.event(
                    DENIED,
                    key.tenant or NOBODY,
                    key.principal,
                    counted.trace_id,
                    {"action": key.action, "count": counted.count, "reason": key.reason},
                )
                for key, counted in batch
            ]
            try:
                await self._audit.append(events)
            except AmasError as error:
                _log.warning("refused accesses could not be recorded: %s", error.reason)
                self._lost(len(batch))
                return

    def _lost(self, count: int) -> None:
        self._instruments.denials_dropped.inc(count)
