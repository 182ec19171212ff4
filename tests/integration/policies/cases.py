"""The cases that stand beside each policy, read from policies/**/cases.yaml."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

POLICIES = Path(__file__).resolve().parents[3] / "policies"


@dataclass(frozen=True)
class Case:
    """One input, and the decision that must come out of every engine."""

    policy: str
    name: str
    document: dict[str, Any]
    effect: str
    codes: list[str]
    approval: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.policy}: {self.name}"


def read_cases() -> Iterator[Case]:
    """Reads every case; a case starts from policies/base_input.yaml and sets dotted paths on it."""
    yaml = YAML(typ="safe")
    base = yaml.load(POLICIES / "base_input.yaml")
    for path in sorted(POLICIES.rglob("cases.yaml")):
        for raw in yaml.load(path):
            document = copy.deepcopy(raw.get("replace", base))
            for dotted, value in (raw.get("set") or {}).items():
                set_path(document, dotted, value)
            yield Case(
                policy=str(path.parent.relative_to(POLICIES)),
                name=raw["name"],
                document=document,
                effect=raw["effect"],
                codes=sorted(raw["codes"]),
                approval=raw.get("approval"),
            )


def set_path(document: dict[str, Any], dotted: str, value: Any) -> None:
    """Sets `a.b.c` in nested mappings."""
    *parents, last = dotted.split(".")
    for name in parents:
        document = document[name]
    document[last] = value
