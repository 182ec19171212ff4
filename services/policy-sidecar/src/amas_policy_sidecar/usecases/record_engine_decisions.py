"""Puts the policy engine's own log of its decisions on record: a second witness beside what enforcement records.

Answers only once audit has the entries, so that the engine keeps and repeats what could not be recorded. An entry that
audit will never take is counted and named; it must not hold up the others.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import Label

from amas_policy_sidecar.domain.engine_reports import AwaitedLogs, EngineDecision
from amas_policy_sidecar.domain.model import ActionContext, Event, Principal
from amas_policy_sidecar.ports import AuditLog
from amas_policy_sidecar.telemetry import Instruments

DECIDED = "dev.amas.policy.decided"
# Events of one append: what audit takes at once.
MAX_EVENTS = 256

_LATER = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.RESOURCE_EXHAUSTED})
_log = logging.getLogger(__name__)


class RecordEngineDecisions:
    """Ships entries of the engine's log to audit."""

    def __init__(self, audit: AuditLog, awaited: AwaitedLogs, instruments: Instruments) -> None:
        self._audit = audit
        self._awaited = awaited
        self._instruments = instruments

    async def __call__(self, entries: Sequence[EngineDecision]) -> None:
        """Return once all that audit takes is recorded; raises AmasError if audit cannot answer: send them again."""
        for begin in range(0, len(entries), MAX_EVENTS):
            part = entries[begin : begin + MAX_EVENTS]
            if await self._recorded(part):
                self._instruments.engine_logs("recorded", len(part))
            else:
                await self._one_by_one(part)
            for entry in part:
                self._awaited.arrived(entry.id)

    async def _one_by_one(self, entries: Sequence[EngineDecision]) -> None:
        for entry in entries:
            well = await self._recorded([entry])
            self._instruments.engine_logs("recorded" if well else "refused", 1)
            if not well:
                _log.error("audit refuses a decision of the policy engine", extra={"decision": entry.id})

    async def _recorded(self, entries: Sequence[EngineDecision]) -> bool:
        try:
            answer = await self._audit.append([_event(entry) for entry in entries])
        except AmasError as error:
            if error.kind in _LATER:
                raise
            return False
        return answer.recorded


def _event(entry: EngineDecision) -> Event:
    # Not in the run's own sequence: a log comes after the fact, maybe after the run has ended. Its trace leads to it.
    context = ActionContext(
        principal=Principal(subject=entry.subject, issuer="", tenant=entry.tenant),
        bundle=entry.bundle,
        label=Label(),
        step=entry.step,
        role=entry.role,
    )
    data = {
        "decisionId": entry.id,
        "engine": entry.instance,
        "revision": entry.revision,
        "inputDigest": entry.input_digest,
        "effect": entry.effect,
        "codes": list(entry.codes),
        "failed": entry.failed,
    }
    return Event(
        id=f"policy-decided:{entry.id}",
        type=DECIDED,
        time=entry.time,
        context=context,
        role_version=entry.role_version,
        data=data,
        traceparent=entry.traceparent,
    )
