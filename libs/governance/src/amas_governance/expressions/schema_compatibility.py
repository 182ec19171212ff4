"""Whether values of one JSON Schema can be values of another. Only what is certainly wrong is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .schema_types import plain_type

MAX_DEPTH = 16
"""Levels that are compared."""


def property_schema(schema: Any, name: str) -> Any:
    """The schema of a property; an empty one where the object is open."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and name in properties:
            return properties[name]
    return {}


def absent_or_incompatible(root: Any, parts: Sequence[str], target: Any, *, required: bool) -> str | None:
    """What is wrong with sending the value at `parts` of `root` to a place of schema `target`; None if nothing is.

    With `required`, a source that its own schema does not require is wrong, since it may be absent.
    """
    schema, optional = root, ""
    for part in parts:
        known = isinstance(schema, Mapping) and part in (schema.get("properties") or {})
        if known and part not in (schema.get("required") or ()):
            optional = optional or part
        schema = property_schema(schema, part)
    if required and optional:
        return f"may be absent ({optional} is optional), but a value is required here"
    return incompatible(schema, target)


def incompatible(source: Any, target: Any, where: str = "", depth: int = 0) -> str | None:
    """Where and why values of `source` are certainly no values of `target`; None if they may be."""
    have, want = plain_type(source), plain_type(target)
    if depth > MAX_DEPTH or "any" in (have, want):
        return None
    if have != want and (have, want) != ("integer", "number"):
        return f"gives {have}{_at(where)}, expected {want}"
    if have == "array":
        return incompatible(source.get("items"), target.get("items"), f"{where}[]", depth + 1)
    if have == "object":
        return _incompatible_object(source, target, where, depth)
    return None


def _incompatible_object(source: Any, target: Any, where: str, depth: int) -> str | None:
    have = source.get("properties") or {}
    is_open = source.get("additionalProperties", not have) is not False or "patternProperties" in source
    for name in target.get("required") or ():
        if name not in have:
            if is_open:
                continue
            return f"has no field {name}{_at(where)}, which is required here"
        if name not in (source.get("required") or ()):
            return f"may lack the field {name}{_at(where)}, which is required here"
    for name, wanted in (target.get("properties") or {}).items():
        if name in have:
            found = incompatible(have[name], wanted, f"{where}.{name}" if where else name, depth + 1)
            if found:
                return found
    return None


def _at(where: str) -> str:
    return f" at {where}" if where else ""
