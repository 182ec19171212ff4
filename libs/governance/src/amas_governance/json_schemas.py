"""JSON Schema (2020-12) inside resources: checked when applied, compiled once, run with bounds.

Patterns run on a linear-time engine and references never leave the document, so that a schema can neither hang
nor fetch. Messages never repeat the value that was checked, since it may be a secret. Beyond the standard there are two
keywords of ours (schema_keywords).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from . import schema_keywords
from .canonical import JsonRefused, canonical_json, parse_json

MAX_SCHEMA_DEPTH = 32
MAX_SCHEMA_NODES = 5_000
MAX_SCHEMA_BYTES = 256 * 1024
MAX_FINDINGS = 20
MAX_MESSAGE = 300
COMPILED_SCHEMAS = 512
REGEX_SIZE = 1024 * 1024
DIALECT = "https://json-schema.org/draft/2020-12/schema"

SchemaFinding = tuple[tuple[str | int, ...], str]
"""Where in the schema or value, and what is wrong there."""


class SchemaRefused(ValueError):  # noqa: N818 - says what happened
    """The schema itself cannot be used; `path` leads to the part of it."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


def check_schema(schema: Any) -> None:
    """Raises SchemaRefused unless `schema` is a bounded, self-contained JSON Schema of draft 2020-12."""
    if not isinstance(schema, dict):
        raise SchemaRefused((), "expected a JSON Schema object")
    _refuse_large(schema)
    if schema.get("$schema", DIALECT) != DIALECT:
        raise SchemaRefused(("$schema",), f"expected the dialect {DIALECT}")
    try:
        jsonschema_rs.meta.validate({**schema, "$schema": DIALECT})
    except jsonschema_rs.ValidationError as error:
        path = tuple(error.instance_path)
        raise SchemaRefused(path, _expected(path) or _bounded(error.message)) from error
    misused = schema_keywords.misused(schema)
    if misused is not None:
        raise SchemaRefused(*misused)
    _compiled(_canonical(schema))


def findings(schema: Mapping[str, Any], value: Any) -> list[SchemaFinding]:
    """What breaks the schema, at most MAX_FINDINGS; empty when the value is valid. Raises SchemaRefused."""
    validator = _compiled(_canonical(schema))
    found: list[SchemaFinding] = []
    for error in validator.iter_errors(value):
        found.append((tuple(error.instance_path), _bounded(error.message)))
        if len(found) == MAX_FINDINGS:
            break
    return found


def _expected(path: tuple[str | int, ...]) -> str | None:
    """What should stand at two places where authors slip most, and where the validator's own words help nobody."""
    keywords = {
        "type": "expected array, boolean, integer, null, number, object or string, or a list of them",
        "pattern": "expected a regular expression (without look-around and back-references)",
    }
    named = len(path) > 1 and path[-2] in ("properties", "patternProperties", "$defs", "dependentSchemas")
    return None if named or not path else keywords.get(str(path[-1]))


def _canonical(schema: Mapping[str, Any]) -> bytes:
    try:
        return canonical_json(dict(schema))
    except JsonRefused as error:
        raise SchemaRefused((), str(error)) from error


@functools.lru_cache(maxsize=COMPILED_SCHEMAS)
def _compiled(canonical: bytes) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            parse_json(canonical),
            pattern_options=jsonschema_rs.RegexOptions(size_limit=REGEX_SIZE),
            offline=True,
            mask="the value",
            validate_formats=True,
            keywords=schema_keywords.ASSERTIONS,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        path = tuple(getattr(error, "instance_path", ()))
        raise SchemaRefused(path, _expected(path) or _bounded(getattr(error, "message", str(error)))) from error


def _refuse_large(schema: dict[str, Any]) -> None:
    """Walks without recursion, so that depth is a message and not a crash."""
    nodes = 0
    pending: list[tuple[Any, tuple[str | int, ...]]] = [(schema, ())]
    while pending:
        value, path = pending.pop()
        nodes += 1
        if nodes > MAX_SCHEMA_NODES:
            raise SchemaRefused((), f"a schema has at most {MAX_SCHEMA_NODES} parts")
        if len(path) > MAX_SCHEMA_DEPTH:
            raise SchemaRefused(path[:3], f"a schema is nested at most {MAX_SCHEMA_DEPTH} levels deep")
        if isinstance(value, dict):
            pending.extend((child, (*path, str(key))) for key, child in value.items())
        elif isinstance(value, list):
            pending.extend((child, (*path, index)) for index, child in enumerate(value))
    if len(_canonical(schema)) > MAX_SCHEMA_BYTES:
        raise SchemaRefused((), f"a schema has at most {MAX_SCHEMA_BYTES} bytes")


def _bounded(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
