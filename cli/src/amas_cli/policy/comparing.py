"""Compares a recorded decision with what a candidate says about the same input, as the sidecar would enforce it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import Effect
from amas_policy_sidecar.domain.policy_document import Verdict, read_requirement, requirement_document

from .evaluation import Answer
from .recorded import UNSUPPORTED, Recorded, codes_of

ENGINE_FAULT = "POLICY_ENGINE_FAILED"


@dataclass(frozen=True)
class Decided:
    """What of a decision is compared. The sentences of reasons are not: they may change."""

    effect: str
    codes: tuple[str, ...]
    obligations: tuple[str, ...] = ()
    approval: Mapping[str, Any] | None = None

    @property
    def quorum(self) -> int:
        """How many people would be asked to approve."""
        return int(self.approval["quorum"]) if self.approval else 0

    def __str__(self) -> str:
        return f"{self.effect} {', '.join(self.codes)}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {
            "effect": self.effect,
            "codes": list(self.codes),
            "obligations": list(self.obligations),
            "approval": self.approval,
        }


def as_recorded(recorded: Recorded) -> Decided:
    """The recorded one. Only of a record that can be replayed. ValueError for an approval of another shape."""
    decision = recorded.decision
    approval = decision.get("approval")
    try:
        requirement = None if approval is None else requirement_document(read_requirement(approval))
    except Denied as denied:
        raise ValueError(str(denied)) from denied
    obligations = tuple(sorted(map(str, decision.get("obligations") or ())))
    return Decided(str(decision["effect"]), tuple(codes_of(decision) or ()), obligations, requirement)


def as_enforced(answer: Answer, kind: str) -> Decided:
    """What the policy-sidecar would make of the candidate's answer about an action of this kind."""
    if answer.fault:
        return Decided("deny", (ENGINE_FAULT,))
    try:
        verdict = Verdict(answer.decision)
    except Denied as denied:
        return Decided("deny", tuple(sorted(reason.code for reason in denied.reasons)))
    if verdict.effect is Effect.ESCALATE and kind in UNSUPPORTED:
        return Decided("deny", (UNSUPPORTED[kind],))
    approval = None if verdict.approval is None else requirement_document(verdict.approval)
    codes = tuple(sorted(reason.code for reason in verdict.reasons))
    return Decided(verdict.effect.value, codes, tuple(sorted(verdict.obligations)), approval)
