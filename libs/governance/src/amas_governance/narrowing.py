"""How a contract narrows what a tool accepts: both schemas hold, so a grant can only take away, never add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import json_schemas, schema_keywords
from .problems import field_path


def merge_argument_schema(tool_schema: Mapping[str, Any], grant_schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The tool's own schema with the grant's added under `allOf`, so that a value must satisfy both.

    The tool's part stays at the root: its `$ref`s point there, and models are shown its properties first. What our own
    keywords ask for is added to descriptions, of the tool's properties too, since no model knows them.
    """
    merged = dict(tool_schema)
    merged.setdefault("type", "object")
    if grant_schema:
        merged["allOf"] = [*merged.get("allOf", ()), schema_keywords.with_words(grant_schema)]
        merged = _told(merged, grant_schema)
    return merged


def _told(schema: dict[str, Any], grant_schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema whose own properties say what the grant's keywords ask of them."""
    properties, narrowed = schema.get("properties"), grant_schema.get("properties")
    if not isinstance(properties, Mapping) or not isinstance(narrowed, Mapping):
        return schema
    told = dict(properties)
    for name in properties.keys() & narrowed.keys():
        ours = narrowed[name]
        phrases = schema_keywords.meanings(ours) if isinstance(ours, Mapping) else []
        if phrases and isinstance(properties[name], Mapping):
            said = [str(properties[name].get("description") or "").strip(), *(f"Must be {text}." for text in phrases)]
            told[name] = {**properties[name], "description": " ".join(filter(None, said))}
    return {**schema, "properties": told}


def validate_arguments(schema: Mapping[str, Any], value: Any) -> list[tuple[str, str]]:
    """Pairs of (path, message) for each breach, bounded in number and length; empty when the value is valid.

    Paths are `files[0]`; the root is the empty string. Raises json_schemas.SchemaRefused for an unusable schema, which
    a caller must treat as a refusal.
    """
    return [(field_path(path), message) for path, message in json_schemas.findings(schema, value)]
