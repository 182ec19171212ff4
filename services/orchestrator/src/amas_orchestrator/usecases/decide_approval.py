"""A human's answer to an approval: checked and stored in one transaction, then the run is woken (invariant I3)."""

from __future__ import annotations

from amas_chassis.clock import Clock

from amas_orchestrator.domain import approvals
from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.errors import approval_not_found
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import ApprovalStore

from .ask_human import answer_event
from .send_wakes import SendWakes


class DecideApproval:
    """Takes answers."""

    def __init__(self, store: ApprovalStore, wakes: SendWakes, clock: Clock) -> None:
        self._store = store
        self._wakes = wakes
        self._clock = clock

    async def __call__(
        self, principal: Principal, approval_id: str, *, approve: bool, reason: str, shown_digest: str
    ) -> Approval:
        """The approval with the answer; raises AmasError with the rule that forbids it."""

        def rule(approval: Approval) -> Approval:
            return approvals.decide(
                approval,
                principal,
                approve=approve,
                reason=reason,
                shown_digest=shown_digest,
                now=self._clock.now(),
            )

        decided = await self._store.decide(
            principal.tenant, approval_id, rule, lambda approval: answer_event(approval, principal)
        )
        if decided is None:
            raise approval_not_found(approval_id)
        if decided.state is not ApprovalState.PENDING:
            await self._wakes()
        return decided
