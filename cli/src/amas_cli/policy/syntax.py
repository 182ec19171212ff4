"""What stands in the sources of policies, from OPA's own parser: rules, their reason codes, the input they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .opa import ask_opa
from .sources import Sources

FieldPath = tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One rule where it stands."""

    file: str
    row: int
    name: str
    node: dict[str, Any]

    @property
    def makes_its_key(self) -> bool:
        """Whether its head spells out an object, and does not pass on what another rule made."""
        return bool((self.node["head"].get("key") or {}).get("type") == "object")


@dataclass(frozen=True)
class Module:
    """One file."""

    file: str
    package: str
    rules: tuple[Rule, ...]

    def rule_at(self, row: int) -> Rule | None:
        """The rule that begins in a row."""
        return next((rule for rule in self.rules if rule.row == row), None)

    def codes(self) -> dict[str, int]:
        """Each reason code that stands in the file, with the row where it first does."""
        found: dict[str, int] = {}
        for rule in self.rules:
            for node in _nodes(rule.node):
                if isinstance(node, dict) and node.get("type") == "object" and isinstance(node.get("value"), list):
                    for key, value in node["value"]:
                        if key.get("value") == "code" and value.get("type") == "string":
                            found.setdefault(value["value"], value["location"]["row"])
        return found

    def reads(self, rule: Rule) -> list[FieldPath]:
        """Paths of the input that a rule reads, itself or by rules of this file; of nested ones only the longest."""
        found: set[FieldPath] = set()
        names, seen, waiting = {other.name for other in self.rules}, {rule.name}, [rule]
        while waiting:
            for node in _nodes(waiting.pop().node):
                if path := _input_path(node):
                    found.add(path)
                name = node.get("value") if isinstance(node, dict) and node.get("type") == "var" else None
                if isinstance(name, str) and name in names and name not in seen:
                    seen.add(name)
                    waiting.extend(other for other in self.rules if other.name == name)
        return sorted(
            path for path in found if not any(other != path and other[: len(path)] == path for other in found)
        )


def parse(sources: Sources) -> dict[str, Module]:
    """The modules that decide, by file. OpaRefusedError for one that does not parse."""
    return {str(path): _module(path) for path in sources.policies}


def _module(path: Path) -> Module:
    tree = ask_opa("parse", path, "--format", "json", "--json-include", "locations,-comments")
    package = ".".join(str(part["value"]) for part in tree["package"]["path"][1:])
    rules = tuple(
        Rule(str(path), rule["location"]["row"], _name(rule["head"]), rule) for rule in tree.get("rules") or []
    )
    return Module(str(path), package, rules)


def _name(head: dict[str, Any]) -> str:
    return str(head.get("name") or head["ref"][0]["value"])


def _nodes(value: Any) -> Iterator[Any]:
    """Every object and list within, from the outside in."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        if isinstance(item, dict | list):
            yield from _nodes(item)


def _input_path(node: Any) -> FieldPath:
    """`input.a.b` or `object.get(input.a, "b", …)` as a path; empty for what is neither."""
    if isinstance(node, dict):
        return _path_of(node)
    if isinstance(node, list) and len(node) > 2 and _is_object_get(node[0]):
        base, key = node[1], node[2]
        if _is_input(base):
            return (*_path_of(base), *_keys(key))
    return ()


def _is_input(term: dict[str, Any]) -> bool:
    head = term["value"][0] if term.get("type") == "ref" else term
    return bool(head.get("type") == "var" and head.get("value") == "input")


def _path_of(term: dict[str, Any]) -> FieldPath:
    if term.get("type") != "ref" or not _is_input(term):
        return ()
    path: list[str] = []
    for part in term["value"][1:]:
        if part["type"] != "string":
            break
        path.append(part["value"])
    return tuple(path)


def _is_object_get(term: Any) -> bool:
    if not isinstance(term, dict) or term.get("type") != "ref":
        return False
    return [part.get("value") for part in term["value"]] == ["object", "get"]


def _keys(term: dict[str, Any]) -> FieldPath:
    parts = term["value"] if term["type"] == "array" else [term]
    return tuple(part["value"] for part in parts if part["type"] == "string")
