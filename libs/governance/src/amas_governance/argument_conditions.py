"""What a schema asks of arguments, as sentences, and whether one version of such a sentence asks for more than another.

Only what holds for every value is taken apart. What depends on branches is shown as JSON and never summed up, so that
no reader is told less than the schema says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from . import host_lists, path_prefixes
from .schema_keywords import KEYWORDS

MAX_VALUE = 120
"""Characters of a schema's value that a sentence repeats."""

_SILENT = frozenset({"properties", "type", "required", "description", "title", "items", "allOf"})
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})


@dataclass(frozen=True)
class Condition:
    """One demand: of which argument (`files[].path`; empty: of all of them together), by which keyword, in words."""

    name: str
    key: str
    value: str
    """Canonical text of the keyword's value, so that conditions can be compared and sorted."""
    text: str


def conditions(schema: Mapping[str, Any], name: str = "") -> list[Condition]:
    """Conditions in a fixed order."""
    return list(_conditions(schema, name))


def compare(old: Condition, new: Condition) -> Literal["gains", "loses", "changes"]:
    """Whether the new form of one condition leaves more freedom, less, or neither can be said."""
    before, after = json.loads(old.value), json.loads(new.value)
    if new.key in _UPPER | _LOWER:
        return "gains" if (after > before) == (new.key in _UPPER) else "loses"
    if new.key == "enum":
        wider = all(value in after for value in before)
        narrower = all(value in before for value in after)
    elif new.key in KEYWORDS:
        wider = all(_covered(new.key, entry, after) for entry in before)
        narrower = all(_covered(new.key, entry, before) for entry in after)
    else:
        return "changes"
    if wider == narrower:
        return "changes"
    return "gains" if wider else "loses"


def _conditions(schema: Mapping[str, Any], name: str) -> Iterator[Condition]:
    for key in sorted(schema.keys() - _SILENT):
        yield _condition(name, key, schema[key])
    for field in sorted(schema.get("required", ())):
        yield Condition(_join(name, field), "required", "true", f"{_join(name, field)} is given")
    for field, inner in sorted((schema.get("properties") or {}).items()):
        if isinstance(inner, Mapping):
            yield from _conditions(inner, _join(name, field))
        elif inner is False:
            yield Condition(_join(name, field), "properties", "false", f"{_join(name, field)} is not given")
    if isinstance(schema.get("items"), Mapping):
        yield from _conditions(schema["items"], f"{name}[]")
    for inner in schema.get("allOf") or ():
        if isinstance(inner, Mapping):
            yield from _conditions(inner, name)


def _condition(name: str, key: str, value: Any) -> Condition:
    canonical = json.dumps(value, ensure_ascii=False, sort_keys=True)
    shown = canonical if len(canonical) <= MAX_VALUE else canonical[:MAX_VALUE] + "…"
    what = name or "the whole"
    if key in KEYWORDS:
        text = f"{what} is {KEYWORDS[key].phrase(value)}"
    elif key == "additionalProperties" and value is False:
        text = f"{what} has no other fields" if name else "no other arguments are given"
    else:
        words = {
            "const": f"{what} is {shown}",
            "enum": f"{what} is one of {shown}",
            "pattern": f"{what} matches {value}",
            "maxLength": f"{what} has at most {shown} characters",
            "minLength": f"{what} has at least {shown} characters",
            "maxItems": f"{what} has at most {shown} entries",
            "minItems": f"{what} has at least {shown} entries",
            "maximum": f"{what} is at most {shown}",
            "minimum": f"{what} is at least {shown}",
        }
        text = words.get(key, f"{what} satisfies {key}: {shown}")
    return Condition(name, key, canonical, text)


def _covered(keyword: str, entry: str, others: list[str]) -> bool:
    """Whether every value that the entry lets through, one of the others lets through too."""
    if keyword == "hosts":
        return any(host_lists.covers(other, entry) for other in others)
    path = path_prefixes.plain_path(entry)
    return any(path.under(path_prefixes.plain_path(other)) for other in others)


def _join(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field
