"""Answers one approval of the principal's tenant, with the exact action that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import Approval, Principal
from amas_gateway.ports import Approvals


@dataclass(frozen=True, slots=True)
class GetApproval:
    approvals: Approvals

    async def __call__(self, principal: Principal, approval_id: str) -> Approval:
        approval = await self.approvals.get(principal, approval_id)
        tenancy.check(principal, approval.tenant, "approval")
        return approval
