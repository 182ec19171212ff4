"""Asks humans: opens an approval with its record and its events, and closes it with what they said.

An approval is pending only once its request is on the record, and it is bound to one digest, one bundle and one moment
of expiry. It must never be opened twice for one place, however often a crash repeats the opening.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from amas_chassis.clock import Clock
from amas_governance.actions import action_digest
from amas_governance.canonical import canonical_json

from amas_orchestrator.domain import ids
from amas_orchestrator.domain.approvals import Approval, ApprovalKind, ApprovalState, Proposer
from amas_orchestrator.domain.events import AuditRecord, NewEvent, run_state_changed, step_state_changed
from amas_orchestrator.domain.model import Json, Reason, RunState, StepState
from amas_orchestrator.domain.rendering import rendering_digest
from amas_orchestrator.domain.requirement import Requirement
from amas_orchestrator.ports import ApprovalStore, Grant

from .patience import Patience
from .show_answers import ShowAnswers
from .step_job import StepJob, StepProgress, Workplace
from .write_record import Recorder


class AskHuman:
    """Approvals of one process."""

    def __init__(
        self, approvals: ApprovalStore, recorder: Recorder, answers: ShowAnswers, patience: Patience, clock: Clock
    ) -> None:
        self._approvals = approvals
        self._recorder = recorder
        self._answers = answers
        self._patience = patience
        self._clock = clock

    async def open(
        self,
        progress: StepProgress,
        place: Workplace,
        kind: ApprovalKind,
        where: tuple[str | int, ...],
        *,
        tool: str,
        arguments: Json,
        reasons: tuple[Reason, ...],
        requirement: Requirement,
    ) -> Approval:
        """Asks, once for each place (`where`); answers the approval as it stands."""
        job, now = progress.job, self._clock.now()
        wanted = Approval(
            id=ids.approval_id(job.run.id, job.path, *where),
            tenant=job.run.tenant,
            run_id=job.run.id,
            workflow_id=place.durable.workflow_id,
            step=job.path,
            kind=kind,
            state=ApprovalState.OPENING,
            requester=job.run.principal.subject,
            role=job.role.metadata.name,
            purpose=job.role.spec.purpose,
            tool=tool,
            arguments_json=canonical_json(arguments).decode(),
            action_digest=_digest(job, tool, arguments),
            bundle=job.run.bundle,
            reasons=reasons,
            requirement=requirement,
            requested_at=now,
            expires_at=now + timedelta(seconds=requirement.expires_in),
            proposer=Proposer(
                application=job.run.principal.client_id,
                orchestration=job.run.orchestration,
                delegated_by=job.delegated_by,
                turn=progress.turn,
                label=progress.label,
            ),
        )
        approval = await self._patience.record("database", lambda: self._approvals.open(wanted))
        if approval.state is not ApprovalState.OPENING:
            return approval
        await self._recorder.audit(job.run, [_requested(job, approval)])
        # Who may approve reads the approval, which is exact; everybody who watches the run sees the event.
        events = await self._answers.events(job.run, _asking(job, approval))
        asked = await self._patience.record(
            "database", lambda: self._approvals.publish(approval, job.run.fencing_token, events)
        )
        if asked:
            place.cancel.set()
        return approval

    async def load(self, job: StepJob) -> int | None:
        """How many approvals wait for the tenant's people, if a contract of the chain bounds that; else None."""
        if not job.bounds_approvals:
            return None
        tenant, now = job.run.tenant, self._clock.now()
        return await self._patience.record("database", lambda: self._approvals.waiting(tenant, now))

    async def close(self, job: StepJob, place: Workplace, approval_id: str) -> Approval:
        """What the approval has come to, recorded and shown; a pending one is left as it is."""
        now = self._clock.now()
        approval = await self._patience.record("database", lambda: self._approvals.settle(approval_id, now))
        if approval.state is ApprovalState.PENDING:
            return approval
        await self._recorder.audit(job.run, [_decided(job, approval)])
        if approval.state is ApprovalState.CANCELLED:
            place.cancel.set()
            return approval
        others = await self._patience.record(
            "database", lambda: self._approvals.others_pending(job.run.id, approval_id)
        )
        await self._recorder.events(job.run, _going_on(job, approval, decided_at(approval), others), place.cancel)
        return approval


def grant_of(approval: Approval) -> Grant:
    """What the policy-sidecar is shown of an approved approval: the one action, and the answers about that one."""
    question = approval.approved_question or approval.proposed
    return Grant(
        approval_id=approval.id,
        action_digest=question.action_digest,
        bundle=approval.bundle,
        requester=approval.requester,
        answers=approval.approved_answers,
        requested_at=approval.requested_at,
        expires_at=question.expires_at,
        repeats_unknown_outcome=approval.kind is ApprovalKind.UNKNOWN_OUTCOME,
    )


def decided_at(approval: Approval) -> datetime:
    """When it was decided: at the last answer, or at its expiry."""
    if approval.state is ApprovalState.EXPIRED or not approval.answers:
        return approval.expires_at
    return max(answer.time for answer in approval.answers)


def rejection(approval: Approval) -> Reason:
    """Why an approval was not given, for the run's reason."""
    if approval.state is ApprovalState.EXPIRED:
        return Reason("APPROVAL_EXPIRED", f"nobody answered in time whether {approval.tool} may be done")
    said = next((answer for answer in approval.answers if not answer.approved), None)
    who = said.approver if said else "a human"
    why = f": {said.reason}" if said and said.reason else ""
    return Reason("APPROVAL_REJECTED", f"{who} said no to {approval.tool}{why}")


def _digest(job: StepJob, tool: str, arguments: Json) -> str:
    return action_digest(
        tenant=job.run.tenant,
        run_id=job.run.id,
        step=job.path,
        role=job.role.metadata.name,
        tool=tool,
        arguments=arguments,
    )


def _requested(job: StepJob, approval: Approval) -> AuditRecord:
    name, version = job.role_names
    data = {
        "approval_id": approval.id,
        "kind": approval.kind.value,
        "tool": approval.tool,
        "action_digest": approval.action_digest,
        "requirement": approval.requirement.to_dict(),
        "reasons": [reason.to_dict() for reason in approval.reasons],
        "requester": approval.requester,
        "application": approval.proposer.application,
        "delegated_by": list(approval.proposer.delegated_by),
        "label": approval.proposer.label.to_dict(),
        "rendering_digest": rendering_digest(approval),
        "expires_at": approval.expires_at.isoformat(),
    }
    return AuditRecord(
        f"approval-requested:{approval.id}",
        "dev.amas.approval.requested",
        approval.requested_at,
        job.path,
        name,
        version,
        data,
    )


def _decided(job: StepJob, approval: Approval) -> AuditRecord:
    name, version = job.role_names
    data = {
        "approval_id": approval.id,
        "state": approval.state.value,
        "action_digest": approval.action_digest,
        "edited_digests": [edit.action_digest for edit in approval.edits],
        "approved_digest": approval.approved_question.action_digest if approval.approved_question else "",
        "answers": [answer.to_dict() for answer in approval.answers],
    }
    return AuditRecord(
        f"approval-decided:{approval.id}",
        "dev.amas.approval.decided",
        decided_at(approval),
        job.path,
        name,
        version,
        data,
    )


def _asking(job: StepJob, approval: Approval) -> list[NewEvent]:
    payload = {
        "approval_id": approval.id,
        "tool": approval.tool,
        "arguments_json": approval.arguments_json,
        "action_digest": approval.action_digest,
        "expires_at": approval.expires_at.isoformat(),
        "reasons": [reason.to_dict() for reason in approval.reasons],
    }
    at, key = approval.requested_at, f"approval/{approval.id}"
    return [
        step_state_changed(job.path, f"{key}/waiting", at, StepState.WAITING, job.role.metadata.name),
        NewEvent(f"{key}/requested", "approval_requested", at, payload, job.path),
        run_state_changed(f"{key}/waiting", at, RunState.WAITING),
    ]


def _going_on(job: StepJob, approval: Approval, at: datetime, others: bool) -> list[NewEvent]:
    key = f"approval/{approval.id}"
    events = [step_state_changed(job.path, f"{key}/running", at, StepState.RUNNING, job.role.metadata.name)]
    if approval.state is ApprovalState.EXPIRED:
        payload = {
            "approval_id": approval.id,
            "approved": False,
            "approver": "",
            "reason": "nobody answered in time",
            "action_digest": approval.action_digest,
            "edited": False,
        }
        events.insert(0, NewEvent(f"{key}/expired", "approval_decided", at, payload, job.path))
    if not others:
        events.append(run_state_changed(f"{key}/running", at, RunState.RUNNING))
    return events


def answer_event(approval: Approval) -> NewEvent:
    """The event of the newest answer; the store writes it together with the answer."""
    answer = approval.answers[-1]
    payload = {
        "approval_id": approval.id,
        "approved": answer.approved,
        "approver": answer.approver,
        "reason": answer.reason,
        "action_digest": answer.action_digest,
        "edited": answer.action_digest != approval.action_digest,
    }
    # One person may answer about the proposed action and about an edited one.
    key = f"approval/{approval.id}/answer/{answer.approver}/{answer.action_digest}"
    return NewEvent(key, "approval_decided", answer.time, payload, approval.step)


def open_result(status: str, approval: Approval, clock: Clock) -> Json:
    """The checkpoint of a step that has opened an approval."""
    return {
        "status": status,
        "at": clock.now().isoformat(),
        "approval": {"id": approval.id, "expires_at": approval.expires_at.isoformat()},
    }
