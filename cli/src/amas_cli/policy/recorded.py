"""Reads recorded decisions out of audit events, and says of each why it cannot be replayed where it cannot.

No event of a decision is ever left out: what cannot be replayed is handed on with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DECIDED = {
    "dev.amas.action.intent": "action",
    "dev.amas.action.denied": "action",
    "dev.amas.action.escalated": "action",
    "dev.amas.delegation.decided": "delegation",
    "dev.amas.administration.decided": "administration",
}
"""The types of events that hold a decision of a policy, and what was decided about."""
KINDS = frozenset({"tool", "model", "delegate", "admin"})
UNSUPPORTED = {
    "model": "MODEL_ESCALATION_UNSUPPORTED",
    "delegate": "DELEGATION_ESCALATION_UNSUPPORTED",
    "admin": "ADMIN_ESCALATION_UNSUPPORTED",
}
"""An escalation of these is on record as a denial."""
CODE_CHECKS = frozenset(
    {
        "ROLE_UNKNOWN",
        "TOOL_UNKNOWN",
        "ROUTE_UNKNOWN",
        "TOOL_SANDBOX_UNAVAILABLE",
        "TOOL_CREDENTIAL_MISSING",
        "TOOL_ADDRESS_REFUSED",
        "TOOL_REDIRECT_REFUSED",
        "TOOL_NOT_ACCEPTED",
        "TOOL_PIN_MISMATCH",
        "TOOL_LIST_UNUSABLE",
        "TOOL_NOT_OFFERED",
        "ARGUMENTS_MALFORMED",
        "ARGUMENTS_TOO_LARGE",
        "ARGUMENTS_INVALID",
        "SCHEMA_UNUSABLE",
        "SECRET_IN_ARGUMENTS",
        "ARGUMENTS_UNSCANNABLE",
        "QUOTA_EXCEEDED",
        "QUOTA_RATE_LIMITED",
        "QUOTA_BUSY",
        "TOOL_RATE_LIMITED",
        "TOOL_BUSY",
        "APPROVAL_OTHER_ACTION",
        "APPROVAL_OTHER_BUNDLE",
        "APPROVAL_EXPIRED",
        "APPROVAL_QUORUM_MISSING",
        "APPROVAL_BY_REQUESTER",
        "APPROVAL_WRONG_GROUP",
        "APPROVAL_ALREADY_USED",
        "APPROVAL_INSUFFICIENT",
        "DELEGATION_APPROVAL_CONFLICT",
    }
)
"""Reasons that checks in the code give, whatever policy says."""

REDACTED = "its arguments are on record redacted"
NOT_ASKED = "a check in the code refused it before policy was asked"
CHECKED = "a check in the code decided after policy was asked"
FAULT = "the policy engine did not decide"
UNKNOWN = "its record has another shape than this command knows"
_MARKS = ("[redacted:", "[withheld:")


@dataclass(frozen=True)
class Recorded:
    """One decision as it is on record."""

    event: str
    run: str
    step: str
    role: str
    subject: str
    """The tool, the delegate, or the act of administration."""
    key: str
    """Names the call; a retry has the same, the call after an approval another."""
    digest: str
    """Names the action: who would do what with which arguments, and where in the run."""
    document: Mapping[str, Any] | None
    decision: Mapping[str, Any]
    unusable: str = ""
    """Why it cannot be replayed; empty where it can."""

    @property
    def decision_id(self) -> str:
        return str(self.decision.get("id") or "")

    @property
    def approvers(self) -> int:
        """How many had approved when the action was decided about for good; 0 where nobody was asked."""
        approval = (self.document or {}).get("approval")
        if not isinstance(approval, Mapping) or approval.get("valid") is not True:
            return 0
        return len(approval.get("approvers") or [])


def read_recorded(members: Mapping[str, Any]) -> Recorded | None:
    """The decision that an event holds; None for an event of another type."""
    if members.get("type") not in DECIDED:
        return None
    data = members.get("data")
    data = data if isinstance(data, Mapping) else {}
    action, decision, document = _mapping(data.get("action")), _mapping(data.get("decision")), data.get("input")
    return Recorded(
        event=str(members.get("id") or ""),
        run=str(members.get("runid") or ""),
        step=str(members.get("step") or ""),
        role=str(members.get("role") or ""),
        subject=_subject(action, data),
        key=str(action.get("idempotencyKey") or members.get("id") or ""),
        digest=str(action.get("digest") or ""),
        document=document if isinstance(document, Mapping) else None,
        decision=decision,
        unusable=_unusable(data, decision, document),
    )


def _subject(action: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    if "verb" in action:
        return f"admin {action['verb']}"
    if "delegate" in action:
        return f"delegate {action['delegate']}"
    return str(action.get("tool") or data.get("function") or "")


def _unusable(data: Mapping[str, Any], decision: Mapping[str, Any], document: Any) -> str:
    if data.get("fault"):
        return FAULT
    if document is None:
        return NOT_ASKED
    if data.get("argumentsRedacted") is True or _redacted(document):
        return REDACTED
    if not isinstance(document, Mapping) or _mapping(document.get("action")).get("kind") not in KINDS:
        return UNKNOWN
    codes = codes_of(decision)
    if codes is None or decision.get("effect") not in {"allow", "deny", "escalate"}:
        return UNKNOWN
    return CHECKED if codes and CODE_CHECKS.issuperset(codes) else ""


def codes_of(decision: Mapping[str, Any]) -> list[str] | None:
    """The reason codes of a decision in order; None where it has another shape."""
    reasons = decision.get("reasons")
    if not isinstance(reasons, list) or not all(isinstance(_mapping(reason).get("code"), str) for reason in reasons):
        return None
    return sorted(reason["code"] for reason in reasons)


def _redacted(document: Any) -> bool:
    """Whether a mark of what was taken out stands in the input: a delegation does not say so beside it."""
    text = json.dumps(document)
    return any(mark in text for mark in _MARKS)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
