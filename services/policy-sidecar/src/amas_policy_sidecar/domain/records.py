"""What is written into the audit log about an action, and how an earlier outcome is read back from it.

The data of a decision holds the whole policy input, so that it can be replayed offline (invariant I10). It never holds
a secret: arguments in which one was found are recorded redacted, and say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance.canonical import digest_bytes
from amas_governance.dlp import replace_sightings, without_secrets
from amas_governance.labels import Label

from .case import Case
from .model import CallResult, Decision, Effect, Enforced, Outcome, Reason
from .policy_document import requirement_document
from .results import Shaped

INTENT = "dev.amas.action.intent"
OUTCOME = "dev.amas.action.outcome"
DENIED = "dev.amas.action.denied"
ESCALATED = "dev.amas.action.escalated"
APPROVAL_USED = "dev.amas.approval.used"
DELEGATION = "dev.amas.delegation.decided"
ADMINISTRATION = "dev.amas.administration.decided"


def intent_id(key: str) -> str:
    return f"intent:{key}"


def outcome_id(key: str) -> str:
    return f"outcome:{key}"


def approval_used_id(approval_id: str) -> str:
    return f"approval-used:{approval_id}"


def decision_data(case: Case, decision: Decision, key: str) -> dict[str, Any]:
    """Data of an intent, a denial or an escalation."""
    data: dict[str, Any] = {
        "action": action_json(case, key),
        "decision": decision_json(decision),
        "input": _recorded_input(case),
        "argumentsRedacted": bool(case.leaving.hidden),
        "findings": case.leaving.counts,
    }
    if case.quota is not None:
        data["quota"] = dict(case.quota)
    return data


def _recorded_input(case: Case) -> Any:
    """The policy's input, without what must not be on record."""
    hidden = case.leaving.hidden
    if case.policy_input is None or not hidden:
        return case.policy_input
    action = {**case.policy_input["action"], "arguments": replace_sightings(case.arguments, hidden)}
    return without_secrets({**case.policy_input, "action": action})


def outcome_data(
    case: Case, decision: Decision, key: str, result: CallResult, structured: str | None
) -> dict[str, Any]:
    """Data of an outcome: all that a retry with the same key has to be answered."""
    return {
        "action": action_json(case, key),
        "decision": decision_json(decision),
        "outcome": result.outcome.value,
        "text": result.result_text,
        # As text: a tool may answer numbers that canonical JSON has no form for.
        "structuredJson": structured,
        "truncated": result.truncated,
        "label": result.label.to_dict(),
        "trusted": result.trusted,
        "durationMs": round(result.duration * 1000),
    }


def approval_used_data(case: Case, key: str) -> dict[str, Any]:
    """Data of the use of an approval; the log holds each approval's use once."""
    grant = case.approval
    if grant is None:
        raise RuntimeError("there is no approval to use")
    return {
        "approvalId": grant.approval_id,
        "idempotencyKey": key,
        "actionDigest": case.digest,
        "requester": grant.requester,
        "approvers": sorted(grant.approvers),
        "repeatsUnknownOutcome": grant.repeats_unknown_outcome,
    }


def replay(data: Mapping[str, Any]) -> Enforced:
    """The answer that an outcome event holds; raises ValueError if it is not of our making."""
    try:
        shaped = Shaped(text=data["text"], structured=data["structuredJson"], truncated=data["truncated"])
        result = CallResult(
            outcome=Outcome(data["outcome"]),
            label=Label.from_dict(data["label"]),
            result_json=shaped.json_text,
            result_text=shaped.text,
            truncated=shaped.truncated,
            duration=data["durationMs"] / 1000,
            trusted=data.get("trusted") is True,
        )
        return Enforced(
            decision=_read_decision(data["decision"]),
            result=result,
            effect=data["action"]["effect"],
            idempotent=data["action"]["idempotent"],
            replayed=True,
        )
    except (KeyError, TypeError) as error:
        raise ValueError("the recorded outcome is incomplete") from error


def decision_json(decision: Decision) -> dict[str, Any]:
    """JSON form of a decision."""
    return {
        "id": decision.id,
        "effect": decision.effect.value,
        "bundle": decision.bundle,
        "actionDigest": decision.action_digest,
        "reasons": [{"code": reason.code, "message": reason.message} for reason in decision.reasons],
        "obligations": list(decision.obligations),
        "approval": None if decision.approval is None else requirement_document(decision.approval),
    }


def _read_decision(data: Mapping[str, Any]) -> Decision:
    return Decision(
        id=data["id"],
        effect=Effect(data["effect"]),
        bundle=data["bundle"],
        action_digest=data["actionDigest"],
        reasons=tuple(Reason(reason["code"], reason["message"]) for reason in data["reasons"]),
        obligations=tuple(data["obligations"]),
    )


def action_json(case: Case, key: str) -> dict[str, Any]:
    """JSON form of an action: digests, never the arguments."""
    return {
        "tool": case.action.tool,
        "digest": case.digest,
        # Names what was proposed even where it was too malformed to have a digest as an action.
        "argumentsDigest": digest_bytes(case.action.arguments_json.encode("utf-8", "replace")),
        "effect": case.effect,
        "idempotent": case.idempotent,
        "idempotencyKey": key,
    }
