"""Hands a human's answer over, with the digest of the action that the human was shown (invariant I3)."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import Approval, Principal, Verdict
from amas_gateway.ports import Approvals


@dataclass(frozen=True, slots=True)
class DecideApproval:
    approvals: Approvals

    async def __call__(self, principal: Principal, verdict: Verdict) -> Approval:
        approval = await self.approvals.decide(principal, verdict)
        tenancy.check(principal, approval.tenant, "approval")
        return approval
