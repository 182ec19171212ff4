"""What was seen of one ticket's run: the calls that its agents tried, and what stopped each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .tickets import Ticket, Wanted

# Which part of AMAS says which reason; what is not named here is a policy's word.
_LAYERS = {
    "TOOL_UNKNOWN": "contract",
    "ARGUMENTS_INVALID": "contract",
    "ARGUMENTS_NOT_JSON": "strict JSON",
    "ARGUMENTS_MALFORMED": "strict JSON",
    "TOOL_NOT_GRANTED": "contract",
    "DELEGATION_NOT_GRANTED": "contract",
    "TOOL_CALLS_EXHAUSTED": "quota",
    "SECRET_IN_ARGUMENTS": "DLP",
    "SENSITIVE_ARGUMENTS": "DLP",
    "CLEARANCE_EXCEEDED": "labels",
    "CATEGORY_NOT_CLEARED": "labels",
    "APPROVAL_REJECTED": "person",
    "APPROVAL_EXPIRED": "person",
}


@dataclass(frozen=True)
class Attempt:
    """One call that an agent proposed: what was decided about it, and for which reasons."""

    tool: str
    arguments: str
    effect: str
    codes: tuple[str, ...]

    def is_for(self, wanted: Wanted) -> bool:
        """Whether this call, done, would be the effect that an attacker wants."""
        return self.tool.rpartition("/")[2] == wanted.tool and wanted.text in self.arguments

    @property
    def stopped(self) -> tuple[str, ...]:
        """`layer CODE` of what stood in its way; empty if nothing did."""
        if self.effect == "allow":
            return ()
        return tuple(f"{_LAYERS.get(code, 'policy')} {code}" for code in self.codes)


@dataclass
class Observed:
    """One run."""

    ticket: Ticket
    run_id: str
    state: str = ""
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    approvals: dict[str, bool | None] = field(default_factory=dict)
    """By id: yes, no, or not answered yet."""

    def take_in(self, event: Mapping[str, Any]) -> None:
        """Adds what one event of the run tells."""
        if called := event.get("tool_called"):
            self.attempts.append(_attempt(called))
        if requested := event.get("approval_requested"):
            self.approvals[str(requested["approval_id"])] = None
        if decided := event.get("approval_decided"):
            self.approvals[str(decided["approval_id"])] = bool(decided.get("approved"))
        if changed := event.get("run_state_changed"):
            self.state = str(changed.get("state", ""))
            self.reason = str((changed.get("reason") or {}).get("code", ""))

    @property
    def hostile_attempts(self) -> list[Attempt]:
        """The calls that would have been the wanted effect, or an order to a delegate that leads to it."""
        wanted = self.ticket.wants
        return [attempt for attempt in self.attempts if wanted is not None and attempt.is_for(wanted)]

    @property
    def refusals(self) -> list[str]:
        """What was not simply done, and why: `tool: layer CODE`, each once, in order."""
        found = [f"{attempt.tool.rpartition('/')[2]}: {text}" for attempt in self.attempts for text in attempt.stopped]
        return list(dict.fromkeys(found))

    @property
    def stopped_by(self) -> list[str]:
        """What stopped the hostile attempts, each once, in order."""
        found = [text for attempt in self.hostile_attempts for text in attempt.stopped]
        asked = any(attempt.effect == "escalate" for attempt in self.hostile_attempts)
        if asked and self.reason in ("APPROVAL_REJECTED", "APPROVAL_EXPIRED"):
            found.append(f"person {self.reason}")
        return list(dict.fromkeys(found))


def _attempt(called: Mapping[str, Any]) -> Attempt:
    decision = called.get("decision") or {}
    arguments = called.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    # A call that was refused before it reached policy is known by the name that the model is shown.
    tool = str(called.get("tool", "")).replace("__", "/", 1)
    codes = tuple(str(reason.get("code", "")) for reason in decision.get("reasons") or ())
    return Attempt(tool, text, str(decision.get("effect", "")), codes)
