"""Says which rule gave each reason of a decision, from OPA's own trace, and what the input had that the rule reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .opa import OpaRefusedError, ask_opa
from .recorded import codes_of
from .sources import QUERY, Sources
from .syntax import FieldPath, Module, Rule, parse

DECISION_RULE = "decision"


@dataclass(frozen=True)
class Origin:
    """A rule that gave a reason."""

    file: str
    row: int
    rule: str
    read: tuple[tuple[FieldPath, bool, Any], ...]
    """Each path of the input that the rule reads: whether the input has it, and what."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        read = [{"field": ".".join(path), "present": has, "value": value} for path, has, value in self.read]
        return {"file": self.file, "line": self.row, "rule": self.rule, "input": read}


@dataclass(frozen=True)
class Explained:
    """A decision, and where each of its reasons comes from."""

    decision: Mapping[str, Any]
    origins: Sequence[tuple[Mapping[str, Any], tuple[Origin, ...]]] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        reasons = [{**reason, "from": [origin.to_dict() for origin in origins]} for reason, origins in self.origins]
        return {"decision": dict(self.decision), "reasons": reasons}


def explain(sources: Sources, document: Any) -> Explained:
    """The decision about an input. OpaRefusedError for policies that do not compile, or decide nothing."""
    flags = ("--format", "json", "--explain", "full", "--stdin-input", *sources.data_flags())
    answer = ask_opa("eval", *flags, QUERY, given=json.dumps(document))
    decision = answer["result"][0]["expressions"][0]["value"] if answer.get("result") else None
    if not isinstance(decision, Mapping) or codes_of(decision) is None or "effect" not in decision:
        raise OpaRefusedError([f"{QUERY} is no decision of the agreed shape"])
    modules = parse(sources)
    exits = [event for event in answer["explanation"] if event["Op"] == "Exit" and "head" in event["Node"]]
    made = [(_rule_of(event, modules), _key_of(event)) for event in exits]
    known = [(rule, key) for rule, key in made if rule is not None]
    return Explained(decision, [(reason, _origins(reason, known, modules, document)) for reason in decision["reasons"]])


def _origins(
    reason: Any, made: Sequence[tuple[Rule, Any]], modules: Mapping[str, Module], document: Any
) -> tuple[Origin, ...]:
    """The rules that spell the reason out; else the first that has it; else the rule of the whole decision."""
    giving = [rule for rule, key in made if key == reason]
    rules = [rule for rule in giving if rule.makes_its_key] or giving[:1] or _whole(modules)
    unique = {(rule.file, rule.row): rule for rule in rules}
    return tuple(
        Origin(
            rule.file, rule.row, f"{modules[rule.file].package}.{rule.name}", _read(modules[rule.file], rule, document)
        )
        for rule in unique.values()
    )


def _whole(modules: Mapping[str, Module]) -> list[Rule]:
    """The default of the decision, which holds where no other rule does."""
    rules = [rule for module in modules.values() for rule in module.rules if rule.name == DECISION_RULE]
    return [rule for rule in rules if rule.node.get("default")][:1]


def _rule_of(event: Mapping[str, Any], modules: Mapping[str, Module]) -> Rule | None:
    location = event["Location"]
    module = modules.get(location.get("file", ""))
    return None if module is None else module.rule_at(location["row"])


def _key_of(event: Mapping[str, Any]) -> Any:
    """What a rule of a set put into it; None for other rules."""
    key = event["Node"]["head"].get("key")
    if key is None:
        return None
    return _plain(key, {local["name"]: local for local in event.get("Locals") or []})


def _plain(term: Mapping[str, Any], bound: Mapping[str, Mapping[str, Any]]) -> Any:
    """The JSON value of OPA's term."""
    kind, value = term["type"], term.get("value")
    if kind == "var":
        # A variable stands for what it is bound to, which is never itself.
        return _plain(bound[str(value)], {}) if str(value) in bound else None
    if kind == "object":
        return {str(_plain(key, bound)): _plain(item, bound) for key, item in value or []}
    if kind in {"array", "set"}:
        return [_plain(item, bound) for item in value or []]
    return value


def _read(module: Module, rule: Rule, document: Any) -> tuple[tuple[FieldPath, bool, Any], ...]:
    return tuple((path, *_look_up(document, path)) for path in module.reads(rule))


def _look_up(document: Any, path: FieldPath) -> tuple[bool, Any]:
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            return False, None
        document = document[name]
    return True, document
