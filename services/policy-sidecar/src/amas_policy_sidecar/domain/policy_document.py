"""The document that is put to the policy engine, and the strict reading of what it answers.

The contract with the policies is fixed here alone. The document says what a decision may depend on, and nothing else:
no clock, no run, no turn, so that equal documents have equal answers. An answer that is not exactly of the agreed shape
is a denial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amas_governance.labels import Confidentiality
from amas_governance.sensitive import SensitiveArgument

from .contract import Contract, Grant
from .errors import Denied
from .leaving import Leaving
from .model import ActionContext, AdminAction, Effect, EscalationRule, Principal, Reason, Requirement

_MAX_ENTRIES = 64
_MAX_TEXT = 2000
_REQUIRED = frozenset({"from", "quorum", "fourEyes", "expiresIn"})
_OPTIONAL = frozenset({"remindAfter", "escalate"})
_KEYS = frozenset({"effect", "reasons", "obligations", "approval"})


def tool_document(
    context: ActionContext,
    contract: Contract,
    grant: Grant,
    arguments: Mapping[str, Any],
    sensitive: Sequence[SensitiveArgument],
    leaving: Leaving,
    approval: Mapping[str, Any] | None,
    autonomy: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Input for one tool call. `approval` is what the sidecar itself has verified, or None."""
    action = {
        "kind": "tool",
        "tool": grant.tool,
        "server": grant.server.metadata.name,
        "effect": grant.effect,
        "idempotent": grant.idempotent,
        "arguments": dict(arguments),
        "sensitive": [argument.to_dict() for argument in sensitive],
        "clearance": None if grant.clearance is None else _cleared(*grant.clearance),
        "dlp": leaving.to_dict(),
    }
    held = {
        "tool": grant.tool,
        "untrusted": grant.untrusted,
        "approval": None if grant.approval is None else requirement_document(grant.approval),
        "amounts": [
            {
                "argument": bound.argument,
                "size": bound.size(arguments),
                "escalateAbove": bound.escalate_above,
                "denyAbove": bound.deny_above,
            }
            for bound in grant.amounts
        ],
    }
    return {
        **_who(context, contract),
        "action": action,
        "grant": held,
        "approval": approval,
        "autonomy": autonomy,
    }


def model_document(
    context: ActionContext, contract: Contract | None, route: str, route_clearance: Mapping[str, Any]
) -> dict[str, Any]:
    """Input for one model call; without a contract it is a person's direct call."""
    action = {"kind": "model", "route": route, "routeClearance": dict(route_clearance)}
    return {**_who(context, contract), "action": action, "grant": None, "approval": None}


def delegate_document(
    context: ActionContext, contract: Contract, delegate: str, extended: Contract, reach: Sequence[Grant], task: Any
) -> dict[str, Any]:
    """Input for handing a sub-task to `delegate`; `extended` is the chain with it, `reach` what it could call there."""
    action = {
        "kind": "delegate",
        "delegate": delegate,
        "delegateClearance": _clearance(extended),
        "arguments": task,
        "reach": [
            {"tool": grant.tool, "effect": grant.effect, "approval": grant.approval is not None} for grant in reach
        ],
    }
    return {**_who(context, contract), "action": action, "grant": None, "approval": None}


def admin_document(context: ActionContext, action: AdminAction) -> dict[str, Any]:
    """Input for an act of administration: who, what and on which resources; it carries no data of a run."""
    resources = [{"kind": kind, "name": name} for kind, name in sorted(action.resources)]
    return {
        "principal": _principal(context.principal),
        "run": None,
        "role": {"name": context.role} if context.role else None,
        "context": {"label": None},
        "action": {"kind": "admin", "verb": action.verb, "resources": resources},
        "grant": None,
        "approval": None,
    }


def requirement_document(requirement: Requirement) -> dict[str, Any]:
    """JSON form of a requirement; `expiresIn` in seconds."""
    return {
        "from": list(requirement.groups),
        "quorum": requirement.quorum,
        "fourEyes": requirement.four_eyes,
        "expiresIn": requirement.expires_in,
        "remindAfter": requirement.remind_after,
        "escalate": [{"after": rule.after, "to": list(rule.groups)} for rule in requirement.escalate],
    }


def _who(context: ActionContext, contract: Contract | None) -> dict[str, Any]:
    return {
        "principal": _principal(context.principal),
        # Which node of which graph; not which run, nor which of its turns: events carry those.
        "run": {"orchestration": context.orchestration, "step": context.step.partition("/")[0]},
        "role": None if contract is None else _role(context, contract),
        "context": {"label": context.label.to_dict()},
    }


def _principal(principal: Principal) -> dict[str, Any]:
    return {
        "subject": principal.subject,
        "issuer": principal.issuer,
        "tenant": principal.tenant,
        "roles": sorted(principal.roles),
        "groups": sorted(principal.groups),
    }


def _role(context: ActionContext, contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.acting.metadata.name,
        "version": contract.version,
        "route": contract.acting.spec.model.route,
        "clearance": _clearance(contract),
        "delegates": sorted(contract.acting.spec.delegates),
        "delegatedBy": list(context.delegated_by),
    }


def _clearance(contract: Contract) -> dict[str, Any]:
    return _cleared(*contract.clearance)


def _cleared(level: Confidentiality, categories: frozenset[str]) -> dict[str, Any]:
    return {"confidentiality": level.label, "categories": sorted(categories)}


class Verdict:
    """A policy decision that has been read strictly."""

    def __init__(self, document: object) -> None:
        """Read the engine's answer; raises Denied with POLICY_DECISION_INVALID for any other shape."""
        if not isinstance(document, Mapping) or frozenset(document) != _KEYS:
            raise _invalid("it has other fields than agreed")
        try:
            self.effect = Effect(document["effect"])
        except ValueError as error:
            raise _invalid("its effect is unknown") from error
        self.reasons = tuple(_reason(entry) for entry in _list(document["reasons"], "reasons"))
        self.obligations = tuple(_text(entry, "obligation") for entry in _list(document["obligations"], "obligations"))
        approval = document["approval"]
        self.approval = None if approval is None else read_requirement(approval)
        if (self.effect is Effect.ESCALATE) != (self.approval is not None):
            raise _invalid("an escalation, and nothing else, says who may approve")


def read_requirement(value: object) -> Requirement:
    """The requirement of a JSON form; raises Denied for any other shape."""
    if not isinstance(value, Mapping) or not _REQUIRED <= frozenset(value) <= _REQUIRED | _OPTIONAL:
        raise _invalid("its approval has other fields than agreed")
    quorum, four_eyes, expires_in = value["quorum"], value["fourEyes"], value["expiresIn"]
    if isinstance(quorum, bool) or not isinstance(quorum, int) or quorum < 1:
        raise _invalid("its quorum is no positive whole number")
    if not isinstance(four_eyes, bool):
        raise _invalid("its fourEyes is no boolean")
    remind_after = value.get("remindAfter")
    return Requirement(
        groups=_groups(value["from"]),
        quorum=quorum,
        four_eyes=four_eyes,
        expires_in=_seconds(expires_in, "expiresIn"),
        remind_after=None if remind_after is None else _seconds(remind_after, "remindAfter"),
        escalate=tuple(_rule(entry) for entry in _list(value.get("escalate", []), "escalation rules")),
    )


def _rule(value: object) -> EscalationRule:
    if not isinstance(value, Mapping) or frozenset(value) != {"after", "to"}:
        raise _invalid("an escalation rule has other fields than agreed")
    return EscalationRule(after=_seconds(value["after"], "after"), groups=_groups(value["to"]))


def _groups(value: object) -> tuple[str, ...]:
    return tuple(_text(entry, "group") for entry in _list(value, "groups"))


def _seconds(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise _invalid(f"its {what} is no positive number")
    return float(value)


def _reason(value: object) -> Reason:
    if not isinstance(value, Mapping) or frozenset(value) != {"code", "message"}:
        raise _invalid("a reason has other fields than agreed")
    return Reason(_text(value["code"], "reason code"), _text(value["message"], "reason"))


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list) or len(value) > _MAX_ENTRIES:
        raise _invalid(f"its {what} are no list of at most {_MAX_ENTRIES}")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT:
        raise _invalid(f"a {what} is no text of 1 to {_MAX_TEXT} characters")
    return value


def _invalid(why: str) -> Denied:
    return Denied("POLICY_DECISION_INVALID", f"the policy engine's answer cannot be used: {why}")
