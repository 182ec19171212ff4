"""From a manifest (plain JSON) to a resource, with every problem named by its field and in words for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from amas_governance.canonical import JsonRefused, canonical_json
from amas_governance.problems import FieldPath, field_path

from .agent_role import AgentRole
from .budget import Budget
from .field_names import fields_at, instead
from .manifest_fields import API_VERSION, WITHIN
from .model_provider import ModelProvider
from .model_route import ModelRoute
from .orchestration import Orchestration
from .quota import Quota
from .tool_server import ToolServer

Resource = AgentRole | Orchestration | ToolServer | ModelProvider | ModelRoute | Budget | Quota

KINDS: Mapping[str, type[Resource]] = {
    "AgentRole": AgentRole,
    "Orchestration": Orchestration,
    "ToolServer": ToolServer,
    "ModelProvider": ModelProvider,
    "ModelRoute": ModelRoute,
    "Budget": Budget,
    "Quota": Quota,
}
MAX_FOUND = 60
"""Characters of a wrong value that a message repeats."""

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "date_type": "a date such as 2026-01-31",
    "date_parsing": "a date such as 2026-01-31",
    "date_from_datetime_parsing": "a date such as 2026-01-31",
}


class ManifestError(ValueError):
    """A manifest that is no resource; `problems` are pairs of (path, message)."""

    def __init__(self, problems: list[tuple[FieldPath, str]]) -> None:
        super().__init__("; ".join(f"{field_path(path)}: {message}" for path, message in problems))
        self.problems = problems


def parse_manifest(manifest: Mapping[str, Any]) -> Resource:
    """The resource that a manifest describes; raises ManifestError (a ValueError) with all that is wrong."""
    if manifest.get("apiVersion") != API_VERSION:
        found = _found(manifest.get("apiVersion"))
        raise ManifestError([(("apiVersion",), f"expected {API_VERSION}{found}")])
    kind = manifest.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ManifestError([(("kind",), f"expected one of {', '.join(KINDS)}{_found(kind)}")])
    try:
        text = canonical_json(dict(manifest))
    except JsonRefused as error:
        raise ManifestError([((), str(error))]) from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError([_explain(model, detail) for detail in _relevant(error)]) from None


def _relevant(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=True, include_input=True)


def _explain(model: type[Resource], detail: ErrorDetails) -> tuple[FieldPath, str]:
    path = _document_path(detail["loc"])
    kind = detail["type"]
    found = "" if kind == "missing" else _found(detail.get("input"))
    context = detail.get("ctx", {})
    if kind == "missing":
        return path, "this field is required"
    if kind == "extra_forbidden":
        return path, f"unknown field{instead(str(path[-1]), fields_at(model, path[:-1]))}"
    if kind == WITHIN:
        return (*path, *context["within"]), str(context["error"])
    if kind == "value_error":
        # A validator of ours has said what was expected; of a whole mapping there is nothing to add.
        scalar = not isinstance(detail.get("input"), dict | list)
        return path, f"{context.get('error', detail['msg'])}{found if scalar else ''}"
    if kind in _EXPECTED:
        return path, f"expected {_EXPECTED[kind]}{found}"
    if kind == "literal_error":
        return path, f"expected {context.get('expected', 'another value')}{found}"
    if kind == "string_pattern_mismatch":
        return path, f"expected a text that matches {context.get('pattern')}{found}"
    return path, f"{detail['msg'][0].lower()}{detail['msg'][1:]}{found}"


def _document_path(loc: tuple[int | str, ...]) -> FieldPath:
    """Drops what pydantic adds for unions and keys, which is no part of the document."""
    return tuple(
        part for part in loc if isinstance(part, int) or not (part == "[key]" or part.endswith("]") or "[" in part)
    )


def _found(value: Any) -> str:
    if value is None:
        return ", found nothing"
    if isinstance(value, dict):
        return ", found a mapping"
    if isinstance(value, list):
        return ", found a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f", found {text if len(text) <= MAX_FOUND else text[:MAX_FOUND] + '…'}"
