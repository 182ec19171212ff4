"""Our values as messages of amas.common.v1 and back, for the clients of other services."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from amas.common.v1 import decision_pb2, identity_pb2, label_pb2, usage_pb2
from amas_governance.labels import Confidentiality, Integrity, Label

from amas_orchestrator.domain.model import Principal, Reason, Usage
from amas_orchestrator.domain.requirement import EscalationRule, Requirement
from amas_orchestrator.ports import Decision

_EFFECTS = {
    decision_pb2.EFFECT_ALLOW: "allow",
    decision_pb2.EFFECT_DENY: "deny",
    decision_pb2.EFFECT_ESCALATE: "escalate",
}


def principal_message(principal: Principal) -> identity_pb2.Principal:
    """The principal as a message."""
    return identity_pb2.Principal(
        subject=principal.subject,
        issuer=principal.issuer,
        tenant=principal.tenant,
        roles=principal.roles,
        groups=principal.groups,
        client_id=principal.client_id,
    )


def label_message(label: Label) -> label_pb2.Label:
    """The label as a message."""
    trusted = label.integrity is Integrity.TRUSTED
    return label_pb2.Label(
        confidentiality=int(label.confidentiality),  # type: ignore[arg-type]  # the numbers are the same
        categories=sorted(label.categories),
        integrity=label_pb2.INTEGRITY_TRUSTED if trusted else label_pb2.INTEGRITY_UNTRUSTED,
    )


def label_of(message: label_pb2.Label) -> Label:
    """The label in a message. What is not stated counts as the highest: nobody may take silence for `public`."""
    known = message.confidentiality != label_pb2.CONFIDENTIALITY_UNSPECIFIED
    trusted = message.integrity == label_pb2.INTEGRITY_TRUSTED
    return Label(
        confidentiality=Confidentiality(message.confidentiality) if known else Confidentiality.RESTRICTED,
        categories=frozenset(message.categories),
        integrity=Integrity.TRUSTED if trusted else Integrity.UNTRUSTED,
    )


def usage_of(message: usage_pb2.Usage) -> Usage:
    """The usage in a message."""
    try:
        cost = Decimal(message.cost.amount or "0")
    except InvalidOperation:
        cost = Decimal(0)
    return Usage(
        input_tokens=message.input_tokens,
        cached_input_tokens=message.cached_input_tokens,
        output_tokens=message.output_tokens,
        cost=cost,
        currency=message.cost.currency,
        estimated=message.estimated,
    )


def decision_of(message: decision_pb2.Decision) -> Decision:
    """The decision in a message; an effect that we do not know is a denial."""
    requirement = None
    if message.HasField("approval"):
        needed = message.approval
        requirement = Requirement(
            groups=tuple(getattr(needed, "from")),
            quorum=max(1, needed.quorum),
            four_eyes=needed.four_eyes,
            expires_in=needed.expires_in.ToMilliseconds() / 1000,
            remind_after=needed.remind_after.ToMilliseconds() / 1000 if needed.HasField("remind_after") else None,
            escalate=tuple(
                EscalationRule(rule.after.ToMilliseconds() / 1000, tuple(rule.to)) for rule in needed.escalate
            ),
        )
    return Decision(
        id=message.id,
        effect=_EFFECTS.get(message.effect, "deny"),
        reasons=tuple(Reason(reason.code, reason.message) for reason in message.reasons),
        obligations=tuple(message.obligations),
        bundle=message.bundle,
        action_digest=message.action_digest,
        requirement=requirement,
    )
