"""Approvals and resources as messages of amas.common.v1."""

from __future__ import annotations

from amas.common.v1 import approval_pb2, identity_pb2, resource_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.canonical import canonical_json, digest
from amas_governance.problems import Problem
from amas_governance.resources import Resource

from amas_orchestrator.domain.approvals import Approval, ApprovalKind, ApprovalState, Edit
from amas_orchestrator.domain.model import Principal
from amas_orchestrator.domain.rendering import rendering_digest
from amas_orchestrator.ports import BundleInfo

from .run_wire import label_message, reason_message, requirement_message, timestamp

_STATES: dict[ApprovalState, approval_pb2.ApprovalState.ValueType] = {
    state: approval_pb2.ApprovalState.Value(f"APPROVAL_STATE_{state.name}")
    for state in ApprovalState
    if state is not ApprovalState.OPENING
}
_KINDS = {kind: approval_pb2.ApprovalKind.Value(f"APPROVAL_KIND_{kind.name}") for kind in ApprovalKind}


def principal_of(message: identity_pb2.Principal) -> Principal:
    """The principal that the gateway asserts."""
    return Principal(
        subject=message.subject,
        issuer=message.issuer,
        tenant=message.tenant,
        roles=tuple(message.roles),
        groups=tuple(message.groups),
        client_id=message.client_id,
    )


def approval_state_of(value: int) -> ApprovalState | None:
    """The state in a request; None for "any". Raises AmasError for a number that is no state."""
    if value == 0:
        return None
    for state, number in _STATES.items():
        if number == value:
            return state
    raise AmasError(ErrorKind.INVALID_ARGUMENT, "STATE_UNKNOWN", f"state: there is no state {value}")


def approval_message(approval: Approval) -> approval_pb2.Approval:
    """An approval with its answers."""
    return approval_pb2.Approval(
        id=approval.id,
        tenant=approval.tenant,
        run_id=approval.run_id,
        step=approval.step,
        kind=_KINDS[approval.kind],
        state=_STATES[approval.state],
        requester=approval.requester,
        role=approval.role,
        purpose=approval.purpose,
        tool=approval.tool,
        arguments_json=approval.arguments_json,
        action_digest=approval.action_digest,
        bundle=approval.bundle,
        reasons=[message for reason in approval.reasons if (message := reason_message(reason))],
        requirement=requirement_message(approval.requirement.to_dict()),
        requested_at=timestamp(approval.requested_at),
        expires_at=timestamp(approval.expires_at),
        answers=[
            approval_pb2.ApprovalAnswer(
                approver=answer.approver,
                approved=answer.approved,
                reason=answer.reason,
                time=timestamp(answer.time),
                issuer=answer.issuer,
                groups=answer.groups,
                action_digest=answer.action_digest,
                rendering_digest=answer.rendering_digest,
            )
            for answer in approval.answers
        ],
        application=approval.proposer.application,
        orchestration=approval.proposer.orchestration,
        delegated_by=approval.proposer.delegated_by,
        label=label_message(approval.proposer.label.to_dict()),
        rendering_digest=rendering_digest(approval),
        edits=[edit_message(approval, edit) for edit in approval.edits],
        approved_digest=approval.approved_question.action_digest if approval.approved_question else "",
    )


def edit_message(approval: Approval, edit: Edit) -> approval_pb2.ApprovalEdit:
    """An edited action of an approval, as it is asked about."""
    question = approval.edited(edit)
    return approval_pb2.ApprovalEdit(
        action_digest=edit.action_digest,
        arguments_json=edit.arguments_json,
        editor=edit.editor,
        issuer=edit.issuer,
        time=timestamp(edit.time),
        reasons=[message for reason in edit.reasons if (message := reason_message(reason))],
        requirement=requirement_message(edit.requirement.to_dict()),
        expires_at=timestamp(question.expires_at),
        rendering_digest=rendering_digest(approval, question),
    )


def bundle_message(info: BundleInfo | None) -> resource_pb2.Bundle | None:
    """A bundle without its content; None stays unset."""
    if info is None:
        return None
    return resource_pb2.Bundle(
        digest=info.digest,
        tenant=info.tenant,
        created_at=timestamp(info.created_at),
        created_by=info.created_by,
        active=info.active,
    )


def resource_message(resource: Resource) -> resource_pb2.Resource:
    """A resource with its canonical manifest."""
    manifest = resource.to_manifest()
    return resource_pb2.Resource(
        kind=resource.KIND,
        name=resource.metadata.name,
        version=str(getattr(resource.spec, "version", "")),
        manifest_json=canonical_json(manifest).decode(),
        digest=digest(manifest),
    )


def problem_message(problem: Problem) -> resource_pb2.ResourceProblem:
    """Where a file is wrong, and how."""
    return resource_pb2.ResourceProblem(
        file=problem.file, line=problem.line, column=problem.column, field=problem.field, message=problem.message
    )
