"""What an API server of Kubernetes can check of a resource by itself, said beside the validators that check the same.

The models stay what decides. From these notes the custom resource definitions are generated (custom_resources), so that
most mistakes are refused at `kubectl apply`; what CEL cannot say within its cost limits is found by the models alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

RULES = "x-kubernetes-validations"
OPEN = "x-kubernetes-preserve-unknown-fields"
OPEN_OBJECT: Mapping[str, Any] = {"type": "object", OPEN: True}
"""An object of which nothing is known."""


@dataclass(frozen=True)
class Rule:
    """A rule in CEL over `self`; `field` (`.remindAfter`) is where a breach is reported, empty: the object itself.

    Kubernetes, "Validation rules": https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
    """

    expression: str
    message: str
    field: str = ""

    def to_schema(self) -> dict[str, str]:
        """As it stands in a definition."""
        place = {"fieldPath": self.field} if self.field else {}
        return {"rule": self.expression, "message": self.message, **place}


@dataclass(frozen=True, eq=False)  # one is itself alone: annotations are hashed, and a mapping has no hash
class AlsoInSchema:
    """Annotation of a type: keywords that its JSON Schema has besides what pydantic knows."""

    keywords: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Pydantic's hook."""
        return {**handler(core), **self.keywords}


def pattern(expression: str, *, longest: int) -> AlsoInSchema:
    """The whole text matches (RE2); the length bounds what rules over it may cost."""
    return AlsoInSchema({"pattern": f"^({expression})$", "maxLength": longest})


def rules(*those: Rule) -> AlsoInSchema:
    """Rules of a type that is no model, such as a mapping."""
    return AlsoInSchema({RULES: [rule.to_schema() for rule in those]})


def milliseconds(field: str, default: str = "") -> str:
    """CEL for a duration such as `7d` in milliseconds; CEL's own duration() knows no days."""
    return _scaled(field, default, "'[a-z]+'", "{'ms': 1, 's': 1000, 'm': 60000, 'h': 3600000, 'd': 86400000}")


def size_in_bytes(field: str) -> str:
    """CEL for a size such as `64Ki`, or a number, in bytes."""
    text = _scaled(f"string({field})", "", "'[A-Za-z]*$'", "{'': 1, 'Ki': 1024, 'Mi': 1048576, 'Gi': 1073741824}")
    return f"(type({field}) == int ? int({field}) : {text})"


def _scaled(field: str, default: str, unit: str, units: str) -> str:
    value = f"int({field}.find('[0-9]+')) * {units}[{field}.find({unit})]"
    if not default:
        return f"({value})"
    number = default.rstrip("smhd")
    scale = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[default[len(number) :]]
    return f"(has({field}) ? {value} : {int(number) * scale})"


def each_once(entries: str, same: str = "a == b") -> str:
    """CEL: no two entries `a` and `b` of a list are the same."""
    return f"{entries}.all(a, {entries}.exists_one(b, {same}))"


def at_least_one(*fields: str) -> str:
    """CEL: one of the fields of `self` is there."""
    return " || ".join(f"has(self.{field})" for field in fields)
