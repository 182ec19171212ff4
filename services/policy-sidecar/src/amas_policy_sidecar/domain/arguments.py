"""Arguments of a tool call: parsed so that no two readers can disagree, and held against every schema that binds.

What is refused is never repeated in a message: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from amas_governance.canonical import JsonRefused, parse_json
from amas_governance.json_schemas import SchemaRefused
from amas_governance.narrowing import validate_arguments

from .errors import Denied

# Longest arguments of one call, in bytes of JSON: with what else policy is asked they fit into one content of an audit
# event (4 MiB).
MAX_ARGUMENTS = 256 * 1024
# Breaches named in one refusal.
_MAX_BREACHES = 5


def parse_arguments(text: str) -> dict[str, Any]:
    """The object that the text says; raises Denied for duplicate keys, inexact numbers, depth, size or another type."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_ARGUMENTS:
        raise Denied("ARGUMENTS_TOO_LARGE", f"the arguments are longer than {MAX_ARGUMENTS} bytes")
    try:
        value = parse_json(text)
    except JsonRefused as error:
        raise Denied("ARGUMENTS_MALFORMED", f"the arguments are not acceptable JSON: {error}") from error
    if not isinstance(value, dict):
        raise Denied("ARGUMENTS_MALFORMED", "the arguments are not a JSON object")
    return value


def check_arguments(
    arguments: Mapping[str, Any], tool_schema: Mapping[str, Any], narrowings: Iterable[Mapping[str, Any]]
) -> None:
    """Hold the arguments against the live tool's schema and each role's narrowing; raises Denied."""
    _check(arguments, tool_schema, "the tool's schema")
    for narrowing in narrowings:
        _check(arguments, narrowing, "the role's contract")


def _check(arguments: Mapping[str, Any], schema: Mapping[str, Any], whose: str) -> None:
    try:
        breaches = validate_arguments(schema, dict(arguments))
    except SchemaRefused as error:
        raise Denied("SCHEMA_UNUSABLE", f"{whose} cannot be used: {error}") from error
    if breaches:
        listed = "; ".join(f"{path or 'arguments'}: {text}" for path, text in breaches[:_MAX_BREACHES])
        raise Denied("ARGUMENTS_INVALID", f"the arguments break {whose}: {listed}")
