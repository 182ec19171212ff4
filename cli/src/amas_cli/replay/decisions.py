"""Derives recorded decisions again: each recorded input is put to the embedded engine, with the bundle's own policies.

What policy alone decided must come out byte for byte as it was recorded, sentences included. What a check in the code
decided, or what is on record redacted, cannot be derived from the record and is named, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amas_chassis.errors import AmasError
from amas_governance.bundle import Bundle
from amas_governance.canonical import canonical_json
from amas_policy_sidecar.adapters.wasm_engine import WasmEngine
from amas_policy_sidecar.domain.errors import Denied
from amas_policy_sidecar.domain.model import Effect
from amas_policy_sidecar.domain.policy_document import Verdict, requirement_document

from amas_cli.policy.evaluation import Answer
from amas_cli.policy.recorded import UNSUPPORTED, Recorded, read_recorded

from .outcomes import Difference
from .recording import Recording

ESCALATION_UNSUPPORTED = "policy asks for an approval, and nobody can give one for this"
_COMPARED = ("effect", "reasons", "obligations", "approval")


@dataclass
class Derivation:
    """What came of the recorded decisions of a run."""

    derived: list[Recorded] = field(default_factory=list)
    same: int = 0
    underivable: list[Recorded] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


class EmbeddedEngine:
    """Answers by the WebAssembly of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.engine = WasmEngine()

    async def answer(self, document: Mapping[str, Any]) -> Answer:
        """What the bundle's policies say about an input; a fault of the engine is part of the answer."""
        try:
            await self.engine.load(self._bundle.digest, self._bundle.policies)
            return Answer(decision=await self.engine.decide(self._bundle.digest, document))
        except AmasError as error:
            return Answer(fault=error.message)


def recorded_decisions(recording: Recording) -> list[Recorded]:
    """All decisions on a run's record, in their order."""
    found = (read_recorded(event.members) for event in recording.events)
    return [item for item in found if item is not None]


async def derive(decisions: Sequence[Recorded], engine: EmbeddedEngine) -> Derivation:
    """Every decision is derived again and the same, or differs, or cannot be derived: one of the three."""
    result = Derivation()
    for item in decisions:
        if item.unusable:
            result.underivable.append(item)
            continue
        document = item.document or {}
        result.derived.append(item)
        again = as_recorded(await engine.answer(document), str(document["action"]["kind"]))
        before = {name: item.decision.get(name) for name in _COMPARED}
        if canonical_json(again) == canonical_json(before):
            result.same += 1
        else:
            result.differences.append(Difference("decision", f"{item.subject} ({item.event})", before, again))
    return result


def as_recorded(answer: Answer, kind: str) -> dict[str, Any]:
    """The engine's answer in the form in which the policy-sidecar records a decision."""
    if answer.fault:
        return _denial([{"code": "POLICY_ENGINE_FAILED", "message": answer.fault}])
    try:
        verdict = Verdict(answer.decision)
    except Denied as denied:
        return _denial([{"code": reason.code, "message": reason.message} for reason in denied.reasons])
    if verdict.effect is Effect.ESCALATE and kind in UNSUPPORTED:
        return _denial([{"code": UNSUPPORTED[kind], "message": ESCALATION_UNSUPPORTED}])
    # Only of a tool call is it recorded what policy obliged a denied one to.
    obliged = kind == "tool" or verdict.effect is Effect.ALLOW
    return {
        "effect": verdict.effect.value,
        "reasons": [{"code": reason.code, "message": reason.message} for reason in verdict.reasons],
        "obligations": list(verdict.obligations) if obliged else [],
        "approval": None if verdict.approval is None else requirement_document(verdict.approval),
    }


def _denial(reasons: list[dict[str, str]]) -> dict[str, Any]:
    return {"effect": "deny", "reasons": reasons, "obligations": [], "approval": None}
