"""Other arguments in place of the proposed ones: what policy says of them, and the edit that people are asked about.

An edited action is a new action. It is put to the policy-sidecar as if the agent had proposed it, so an editor never
gets more than the contract allows; nothing here decides, and the enforcement that follows checks everything again.
"""

from __future__ import annotations

from dataclasses import dataclass

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation
from amas_governance.actions import action_digest
from amas_governance.canonical import JsonRefused, canonical_json, parse_json

from amas_orchestrator.domain import answering
from amas_orchestrator.domain.approvals import Approval, Edit
from amas_orchestrator.domain.errors import approval_not_found, invalid, refused, run_not_found
from amas_orchestrator.domain.model import Json, Principal, Run
from amas_orchestrator.domain.rendering import rendering_digest
from amas_orchestrator.ports import Actor, ApprovalStore, Decision, Enforcer, RunStore


@dataclass(frozen=True)
class Preview:
    """What would become of an edited action. Where policy denies it, it cannot be approved."""

    approval: Approval
    edit: Edit
    decision: Decision

    @property
    def rendering_digest(self) -> str:
        """Digest of what an approver is shown of the edit."""
        return rendering_digest(self.approval, self.approval.edited(self.edit))


class EditAction:
    """Edits of one process."""

    def __init__(self, approvals: ApprovalStore, runs: RunStore, enforcer: Enforcer, clock: Clock) -> None:
        self._approvals = approvals
        self._runs = runs
        self._enforcer = enforcer
        self._clock = clock

    async def preview(self, principal: Principal, approval_id: str, arguments_json: str) -> Preview:
        """The edit and what policy says of it; raises AmasError for who may not edit, and for what is no edit."""
        approval = await self._approvals.get(principal.tenant, approval_id)
        if approval is None:
            raise approval_not_found(approval_id)
        answering.check_editor(approval, principal, self._clock.now())
        arguments = _arguments(arguments_json)
        run = await self._runs.get(approval.tenant, approval.run_id)
        if run is None:
            raise run_not_found(approval.run_id)
        digest = _digest(approval, arguments)
        if digest == approval.action_digest:
            raise refused("EDIT_CHANGES_NOTHING", "the arguments are those that were proposed")
        decision = await self._enforcer.decide(_actor(run, approval), approval.tool, arguments)
        edit = Edit(
            action_digest=digest,
            arguments_json=canonical_json(arguments).decode(),
            editor=principal.subject,
            issuer=principal.issuer,
            time=self._clock.now(),
            reasons=decision.reasons,
            # People were asked about the action; that policy would let the edited one pass does not unask them.
            requirement=decision.requirement or approval.requirement,
        )
        return Preview(approval, edit, decision)

    async def permitted(self, principal: Principal, approval_id: str, arguments_json: str) -> tuple[Run, Preview]:
        """The run and the edit, if policy does not deny it; raises AmasError if it does."""
        preview = await self.preview(principal, approval_id, arguments_json)
        if preview.decision.effect == "deny":
            said = "; ".join(f"{reason.code}: {reason.message}" for reason in preview.decision.reasons)
            raise AmasError(ErrorKind.PERMISSION_DENIED, "EDIT_DENIED", f"policy denies the edited action: {said}")
        run = await self._runs.get(principal.tenant, preview.approval.run_id)
        if run is None:
            raise run_not_found(preview.approval.run_id)
        return run, preview


def _arguments(text: str) -> Json:
    try:
        value = parse_json(text)
    except JsonRefused as error:
        raise _not_arguments(f"cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise _not_arguments("must be a JSON object")
    return value


def _not_arguments(what: str) -> AmasError:
    violation = FieldViolation("arguments_json", what)
    return invalid("ARGUMENTS_INVALID", f"arguments_json: {what}", [violation])


def _digest(approval: Approval, arguments: Json) -> str:
    return action_digest(
        tenant=approval.tenant,
        run_id=approval.run_id,
        step=approval.step,
        role=approval.role,
        tool=approval.tool,
        arguments=arguments,
    )


def _actor(run: Run, approval: Approval) -> Actor:
    proposer = approval.proposer
    return Actor(
        principal=run.principal,
        bundle=approval.bundle,
        run_id=run.id,
        orchestration=run.orchestration,
        step=approval.step,
        role=approval.role,
        turn=proposer.turn,
        fencing_token=run.fencing_token,
        delegated_by=proposer.delegated_by,
        label=proposer.label,
        # An edit takes the place of the question that waits already: nobody is asked anew.
        approvals_waiting=0,
    )
