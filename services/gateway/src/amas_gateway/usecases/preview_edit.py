"""Asks what would become of an action with other arguments, before an approver approves it with them."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.model import Principal
from amas_gateway.ports import Approvals


@dataclass(frozen=True, slots=True)
class PreviewEdit:
    approvals: Approvals

    async def __call__(self, principal: Principal, approval_id: str, arguments_json: str) -> object:
        return await self.approvals.preview_edit(principal, approval_id, arguments_json)
