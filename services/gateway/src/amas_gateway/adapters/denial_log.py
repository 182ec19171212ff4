"""Refused accesses on their way to the audit log, in the background.

A record and no gate: a request never waits for it. A flood must not become a flood of the log, so that equal refusals
within one interval become one event with a count; many different ones are counted by tenant and reason alone. What
audit does not take yet waits in the outbox.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from amas.audit.v1 import audit_pb2
from amas_chassis.outbox import Outbox

from amas_gateway.domain.model import Denial
from amas_gateway.telemetry import Instruments

from .audit_client import DENIED, AuditLog

FLUSH_SECONDS = 1.0
# Different refusals that wait with principal and action, and those that wait without them.
MAX_WAITING = 1024
MAX_COARSE = 256
# Seconds that the last events may take when the process ends.
CLOSE_SECONDS = 4.0
# Tenant of refusals before anybody was identified: no tenant can have this name, since `_` is not allowed in one.
NOBODY = "_unauthenticated"
# Action of refusals that are counted by tenant and reason alone.
VARIOUS = "various"

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
        # Refusals since the last flush that had no room.
        self._lost = 0
        self._outbox: Outbox[audit_pb2.AuditEvent] = Outbox("refused accesses", audit.append, instruments.outbox)

    def denied(self, denial: Denial) -> None:
        key = replace(denial, trace_id="")
        if key not in self._waiting and len(self._waiting) >= MAX_WAITING:
            key = replace(key, principal="", action=VARIOUS)
        entry = self._waiting.get(key)
        if entry is not None:
            entry.count += 1
        elif len(self._waiting) < MAX_WAITING + MAX_COARSE:
            self._waiting[key] = _Counted(denial.trace_id)
        else:
            self._lost += 1

    async def run(self) -> None:
        """Hands over what waits, each interval, for the life of the service."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outbox.run())
            tasks.create_task(self._flush_regularly())

    async def close(self) -> None:
        """Appends what still waits, within CLOSE_SECONDS; what could not be is counted as lost, and logged."""
        self.flush(at_exit=True)
        await self._outbox.close(CLOSE_SECONDS)

    def flush(self, *, at_exit: bool = False) -> None:
        """Put what waits into the outbox, as far as it has room; what has none goes on being counted together."""
        if self._lost:
            _log.error("refused accesses are lost", extra={"reason": "full", "items": self._lost})
            self._instruments.outbox.outbox_lost("full", self._lost)
            self._lost = 0
        while self._waiting and (at_exit or self._outbox.has_room):
            key = next(iter(self._waiting))
            counted = self._waiting.pop(key)
            self._outbox.put(
                self._audit.event(
                    DENIED,
                    key.tenant or NOBODY,
                    key.principal,
                    counted.trace_id,
                    {"action": key.action, "count": counted.count, "reason": key.reason},
                )
            )

    async def _flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()
