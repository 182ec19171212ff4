"""narrowing: a grant takes away from what a tool accepts and never adds."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.json_schemas import MAX_FINDINGS, SchemaRefused
from amas_governance.narrowing import merge_argument_schema, validate_arguments

TOOL: dict[str, Any] = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": {"$ref": "#/$defs/text"}, "files": {"type": "array", "items": {"type": "string"}}},
    "$defs": {"text": {"type": "string", "minLength": 1}},
}
GRANT: dict[str, Any] = {"properties": {"message": {"pattern": "^docs: ", "maxLength": 20}}}


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        ({"message": "docs: notes"}, []),
        ({"message": "fix: notes"}, ["message"]),
        ({"message": "docs: " + "x" * 20}, ["message"]),
        ({"message": ""}, ["message", "message"]),
        ({"message": 5}, ["message"]),
        ({}, [""]),
        ([], [""]),
        ({"message": "docs: a", "files": ["a", 1]}, ["files[1]"]),
    ],
)
def test_both_schemas_hold(arguments: Any, paths: list[str]) -> None:
    """What either schema refuses is refused, with the path of the argument."""
    merged = merge_argument_schema(TOOL, GRANT)
    assert [path for path, _ in validate_arguments(merged, arguments)] == paths


def test_a_wider_grant_opens_nothing() -> None:
    """A grant that allows any message does not lift what the tool itself requires."""
    merged = merge_argument_schema(TOOL, {"properties": {"message": True, "more": {"type": "string"}}})
    assert validate_arguments(merged, {"message": 5})


def test_merging_changes_neither_schema() -> None:
    """A tool's schema is shared by all roles."""
    before = repr((TOOL, GRANT))
    merge_argument_schema(TOOL | {"allOf": [{}]}, GRANT)
    assert repr((TOOL, GRANT)) == before
    assert merge_argument_schema(TOOL, None) == TOOL


def test_messages_never_repeat_the_value() -> None:
    """An argument may be a secret, and messages are logged and shown."""
    found = validate_arguments(merge_argument_schema(TOOL, GRANT), {"message": "hunter2-secret-value"})
    assert found
    assert "hunter2" not in repr(found)


def test_findings_are_bounded() -> None:
    """A long list of wrong entries gives a short list of messages."""
    found = validate_arguments(TOOL, {"message": "a", "files": list(range(1000))})
    assert len(found) == MAX_FINDINGS
    assert all(len(message) <= 300 for _, message in found)


def test_patterns_run_in_linear_time() -> None:
    """A pattern that hangs backtracking engines is harmless."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert validate_arguments(schema, {"a": "a" * 50_000 + "!"})


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"$ref": "https://example.com/schema"}, {"pattern": "(?=a)"}])
def test_an_unusable_schema_is_an_error_and_never_a_yes(schema: dict[str, Any]) -> None:
    """A tool server that sends a broken schema gets no calls (fail closed), and nothing is fetched."""
    with pytest.raises(SchemaRefused):
        validate_arguments(schema, {})
