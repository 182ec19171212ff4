"""Reminds those who may answer, and says when more may: on the record first, then in the run's events.

Whatever executor comes first does it; a notice that was cut by a crash is written again under its id, and stands once.
Who may answer does not depend on this: that is decided by the clock (domain/requirement.py).
"""

from __future__ import annotations

from amas_chassis.clock import Clock

from amas_orchestrator.domain.notices import notice_event, notice_record
from amas_orchestrator.ports import ApprovalStore, AuditLog, RunStore

BATCH = 64
UNFENCED = 0
"""Fencing token of what no executor owns."""


class SendNotices:
    """Sends what is due; called every second."""

    def __init__(self, approvals: ApprovalStore, runs: RunStore, audit: AuditLog, clock: Clock) -> None:
        self._approvals = approvals
        self._runs = runs
        self._audit = audit
        self._clock = clock

    async def __call__(self) -> int:
        """How many notices were sent."""
        due = await self._approvals.due_notices(self._clock.now(), BATCH)
        for approval, notice in due:
            run = await self._runs.get(approval.tenant, approval.run_id)
            if run is None:
                continue
            await self._audit.append(run, [notice_record(approval, notice)], UNFENCED)
            await self._approvals.noticed(notice, notice_event(approval, notice), approval.run_id)
        return len(due)
