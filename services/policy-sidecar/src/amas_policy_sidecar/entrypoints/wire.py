"""Messages of `amas.policy.v1` to domain types and back.

What a caller leaves unsaid is read as the stricter value: a context without a label counts as restricted and untrusted.
"""

from __future__ import annotations

import json
from datetime import UTC

from amas.common.v1 import decision_pb2, label_pb2, revocation_pb2
from amas.policy.v1 import policy_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import CATEGORIES, Confidentiality, Integrity, Label
from amas_governance.provenance import TrustedValues
from amas_governance.revocations import Revocable, RevocationKind, Revoked

from amas_policy_sidecar.domain.answers import Inspected
from amas_policy_sidecar.domain.model import (
    ActionContext,
    AdminAction,
    ApprovalGrant,
    Decision,
    DelegateAction,
    Effect,
    EnforceCommand,
    Enforced,
    GrantedTool,
    ModelAction,
    Outcome,
    Principal,
    ToolAction,
)

_EFFECTS = {
    Effect.ALLOW: decision_pb2.EFFECT_ALLOW,
    Effect.DENY: decision_pb2.EFFECT_DENY,
    Effect.ESCALATE: decision_pb2.EFFECT_ESCALATE,
}
_OUTCOMES = {
    Outcome.NOT_CALLED: policy_pb2.OUTCOME_NOT_CALLED,
    Outcome.SUCCEEDED: policy_pb2.OUTCOME_SUCCEEDED,
    Outcome.FAILED: policy_pb2.OUTCOME_FAILED,
    Outcome.UNKNOWN: policy_pb2.OUTCOME_UNKNOWN,
}
_REVOCATION_KINDS: dict[int, RevocationKind] = {
    revocation_pb2.REVOCATION_KIND_ROLE: RevocationKind.ROLE,
    revocation_pb2.REVOCATION_KIND_TOOL: RevocationKind.TOOL,
    revocation_pb2.REVOCATION_KIND_PRINCIPAL: RevocationKind.PRINCIPAL,
    revocation_pb2.REVOCATION_KIND_BUNDLE: RevocationKind.BUNDLE,
}
# The numbers of the contract are those of the lattice.
_RESTRICTED = Confidentiality.RESTRICTED


def read_context(message: policy_pb2.ActionContext) -> ActionContext:
    """Who acts, where; raises AmasError INVALID_ARGUMENT for a label with an unknown category."""
    principal = message.principal
    return ActionContext(
        principal=Principal(
            subject=principal.subject,
            issuer=principal.issuer,
            tenant=principal.tenant,
            roles=tuple(principal.roles),
            groups=tuple(principal.groups),
            client_id=principal.client_id,
        ),
        bundle=message.bundle,
        label=read_label(message.context_label),
        run_id=message.run_id,
        step=message.step,
        turn=message.turn,
        orchestration=message.orchestration,
        role=message.role,
        delegated_by=tuple(message.delegated_by),
        approvals_waiting=message.approvals_waiting if message.HasField("approvals_waiting") else None,
        trusted=TrustedValues.bounded(message.trusted_values),
    )


def write_inspected(result: Inspected) -> policy_pb2.InspectedAnswer:
    """An answer as it may be shown."""
    text = json.dumps(result.shown, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair is no text that a message could hold.
    shown = text.encode("utf-8", "replace").decode("utf-8")
    return policy_pb2.InspectedAnswer(shown_json=shown, denied=result.denied)


def read_label(message: label_pb2.Label) -> Label:
    """The label; what is unspecified is the highest."""
    unknown = set(message.categories) - CATEGORIES
    if unknown:
        raise AmasError(
            ErrorKind.INVALID_ARGUMENT, "LABEL_INVALID", f"unknown categories: {', '.join(sorted(unknown))}"
        )
    try:
        confidentiality = Confidentiality(message.confidentiality)
    except ValueError:
        confidentiality = _RESTRICTED
    trusted = message.integrity == label_pb2.INTEGRITY_TRUSTED
    return Label(
        confidentiality=confidentiality,
        categories=frozenset(message.categories),
        integrity=Integrity.TRUSTED if trusted else Integrity.UNTRUSTED,
    )


def read_tool_action(message: policy_pb2.ToolAction) -> ToolAction:
    return ToolAction(tool=message.tool, arguments_json=message.arguments_json)


def read_model_action(message: policy_pb2.ModelAction) -> ModelAction:
    return ModelAction(route=message.route)


def read_delegate_action(message: policy_pb2.DelegateAction) -> DelegateAction:
    return DelegateAction(
        delegate=message.delegate, arguments_json=message.arguments_json, fencing_token=message.fencing_token
    )


def read_admin_action(message: policy_pb2.AdminAction) -> AdminAction:
    return AdminAction(verb=message.verb, resources=tuple((ref.kind, ref.name) for ref in message.resources))


def read_command(message: policy_pb2.EnforceRequest) -> EnforceCommand:
    """One request to enforce."""
    return EnforceCommand(
        context=read_context(message.context),
        action=read_tool_action(message.action),
        idempotency_key=message.idempotency_key,
        fencing_token=message.fencing_token,
        approval=_read_approval(message.approval) if message.HasField("approval") else None,
    )


def _read_approval(message: policy_pb2.ApprovalGrant) -> ApprovalGrant:
    expires_at = None
    if message.HasField("expires_at"):
        expires_at = message.expires_at.ToDatetime(tzinfo=UTC)
    return ApprovalGrant(
        approval_id=message.approval_id,
        action_digest=message.action_digest,
        bundle=message.bundle,
        requester=message.requester,
        approvers=tuple(message.approvers),
        approver_groups=frozenset(message.approver_groups),
        expires_at=expires_at,
        repeats_unknown_outcome=message.repeats_unknown_outcome,
        requested_at=message.requested_at.ToDatetime(tzinfo=UTC) if message.HasField("requested_at") else None,
        answered_at=tuple(at.ToDatetime(tzinfo=UTC) for at in message.answered_at),
    )


def write_decision(decision: Decision) -> decision_pb2.Decision:
    """The decision as every service knows it."""
    message = decision_pb2.Decision(
        id=decision.id,
        effect=_EFFECTS[decision.effect],
        reasons=[decision_pb2.Reason(code=reason.code, message=reason.message) for reason in decision.reasons],
        obligations=decision.obligations,
        bundle=decision.bundle,
        action_digest=decision.action_digest,
    )
    if decision.approval is not None:
        message.approval.quorum = decision.approval.quorum
        message.approval.four_eyes = decision.approval.four_eyes
        message.approval.expires_in.FromMilliseconds(round(decision.approval.expires_in * 1000))
        if decision.approval.remind_after is not None:
            message.approval.remind_after.FromMilliseconds(round(decision.approval.remind_after * 1000))
        for rule in decision.approval.escalate:
            message.approval.escalate.add(to=rule.groups).after.FromMilliseconds(round(rule.after * 1000))
        # `from` is a keyword of Python, so the field is reached by its name.
        getattr(message.approval, "from").extend(decision.approval.groups)
    return message


def write_enforced(enforced: Enforced) -> policy_pb2.EnforceResponse:
    """The whole answer of an enforcement."""
    result = enforced.result
    return policy_pb2.EnforceResponse(
        decision=write_decision(enforced.decision),
        outcome=_OUTCOMES[result.outcome],
        result_json=result.result_json,
        result_text=result.result_text,
        truncated=result.truncated,
        label=write_label(result.label),
        duration_ms=round(result.duration * 1000),
        replayed=enforced.replayed,
        effect=enforced.effect,
        idempotent=enforced.idempotent,
        trusted=result.trusted,
    )


def write_label(label: Label) -> label_pb2.Label:
    """The label, categories sorted."""
    trusted = label.integrity is Integrity.TRUSTED
    return label_pb2.Label(
        confidentiality=label_pb2.Confidentiality.ValueType(label.confidentiality.value),
        categories=sorted(label.categories),
        integrity=label_pb2.INTEGRITY_TRUSTED if trusted else label_pb2.INTEGRITY_UNTRUSTED,
    )


def write_tool(tool: GrantedTool) -> policy_pb2.Tool:
    """A tool for showing to a model."""
    return policy_pb2.Tool(
        name=tool.name,
        description=tool.description,
        arguments_schema_json=json.dumps(tool.arguments_schema, ensure_ascii=False, separators=(",", ":")),
        effect=tool.effect,
        idempotent=tool.idempotent,
    )


def read_revoked(request: policy_pb2.SyncRevocationsRequest) -> Revoked:
    """All that is revoked; raises AmasError INVALID_ARGUMENT for a kind that is not known here."""
    return Revoked(
        request.version,
        frozenset(Revocable(one.tenant, _revocation_kind(one.kind), one.name) for one in request.subjects),
    )


def _revocation_kind(number: int) -> RevocationKind:
    kind = _REVOCATION_KINDS.get(number)
    if kind is None:
        # Leaving it out would be taken for "not revoked".
        raise AmasError(ErrorKind.INVALID_ARGUMENT, "REVOCATION_KIND_UNKNOWN", "what is revoked is of an unknown kind")
    return kind
