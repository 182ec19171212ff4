"""Shows approvals to those of their tenant."""

from __future__ import annotations

from amas_chassis.pagination import decode_token, encode_token

from amas_orchestrator.domain.approvals import Approval, ApprovalState
from amas_orchestrator.domain.errors import approval_not_found
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import ApprovalStore

from .read_runs import DEFAULT_PAGE, LARGEST_PAGE


class ReadApprovals:
    """Gets and lists approvals."""

    def __init__(self, approvals: ApprovalStore) -> None:
        self._approvals = approvals

    async def get(self, principal: Principal, approval_id: str) -> Approval:
        """One approval; NOT_FOUND also for one of another tenant."""
        approval = await self._approvals.get(principal.tenant, approval_id)
        if approval is None:
            raise approval_not_found(approval_id)
        return approval

    async def page(
        self, principal: Principal, run_id: str, state: ApprovalState | None, size: int, token: str
    ) -> tuple[list[Approval], str]:
        """A page of approvals, newest first, and the token of the next page (empty at the end)."""
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        before = str(decode_token(token).get("before", ""))
        found = await self._approvals.page(principal.tenant, run_id, state, size + 1, before)
        more = len(found) > size
        return found[:size], encode_token({"before": found[size - 1].id}) if more else ""
