"""A human's answer to an approval: checked and stored in one transaction, then the run is woken (invariant I3)."""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_governance.canonical import parse_json
from amas_governance.dlp import without_secrets

from amas_orchestrator.domain import answering
from amas_orchestrator.domain.answering import Verdict
from amas_orchestrator.domain.approvals import Approval, ApprovalState, Edit
from amas_orchestrator.domain.errors import approval_not_found, refused
from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.ports import ApprovalStore, AuditLog

from .ask_human import answer_event
from .edit_action import EditAction, Preview
from .send_wakes import SendWakes

UNFENCED = 0
"""Fencing token of what humans do: they are never late."""


class DecideApproval:
    """Takes answers."""

    def __init__(
        self, store: ApprovalStore, edits: EditAction, audit: AuditLog, wakes: SendWakes, clock: Clock
    ) -> None:
        self._store = store
        self._edits = edits
        self._audit = audit
        self._wakes = wakes
        self._clock = clock

    async def __call__(
        self, principal: Principal, approval_id: str, verdict: Verdict, edited_arguments_json: str = ""
    ) -> Approval:
        """The approval with the answer; raises AmasError with the rule that forbids it.

        An answer that stands is not a second one: channels ask again when a process went away before it answered.
        """
        edit = None
        if edited_arguments_json:
            standing = await self._store.get(principal.tenant, approval_id)
            if standing is None or not answering.stands(standing, principal, verdict):
                edit = await self._edit(principal, approval_id, verdict, edited_arguments_json)

        def rule(approval: Approval) -> Approval:
            if answering.stands(approval, principal, verdict):
                return approval
            return answering.answer(approval, principal, verdict, self._clock.now(), edit)

        decided = await self._store.decide(principal.tenant, approval_id, rule, answer_event)
        if decided is None:
            raise approval_not_found(approval_id)
        if decided.state is not ApprovalState.PENDING:
            await self._wakes()
        return decided

    async def _edit(self, principal: Principal, approval_id: str, verdict: Verdict, arguments_json: str) -> Edit:
        """The edit, once it is on the record that it was put up: before anybody can answer it."""
        if not verdict.approve:
            raise refused("EDIT_NOT_POSSIBLE", "a rejection edits nothing")
        run, preview = await self._edits.permitted(principal, approval_id, arguments_json)
        if verdict.action_digest != preview.edit.action_digest:
            raise refused("ACTION_DIGEST_MISMATCH", "the action that was shown is not the edited one")
        # Nothing goes on the record that would be refused in the next moment.
        answering.answer(preview.approval, principal, verdict, self._clock.now(), preview.edit)
        await self._audit.append(run, [_edited(preview)], UNFENCED)
        return preview.edit


def _edited(preview: Preview) -> AuditRecord:
    approval, edit = preview.approval, preview.edit
    data = {
        "approval_id": approval.id,
        "tool": approval.tool,
        "action_digest": approval.action_digest,
        "edited_digest": edit.action_digest,
        "arguments": without_secrets(parse_json(edit.arguments_json)),
        "editor": edit.editor,
        "issuer": edit.issuer,
        "effect": preview.decision.effect,
        "reasons": [reason.to_dict() for reason in edit.reasons],
        "requirement": edit.requirement.to_dict(),
        "rendering_digest": preview.rendering_digest,
    }
    place = f"approval-edited:{approval.id}/{edit.action_digest}"
    return AuditRecord(place, "dev.amas.approval.edited", edit.time, approval.step, approval.role, "", data)
