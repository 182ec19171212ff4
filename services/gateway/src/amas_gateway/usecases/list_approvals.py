"""Lists the approvals of the principal's tenant."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import FIRST_PAGE, Approval, Page, PageQuery, Principal
from amas_gateway.ports import Approvals


@dataclass(frozen=True, slots=True)
class ListApprovals:
    approvals: Approvals

    async def __call__(
        self, principal: Principal, run_id: str = "", state: int = 0, page: PageQuery = FIRST_PAGE
    ) -> Page[Approval]:
        answer = await self.approvals.list(principal, run_id, state, page)
        for approval in answer.items:
            tenancy.check(principal, approval.tenant, "approval")
        return answer
