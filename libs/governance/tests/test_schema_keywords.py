"""schema_keywords: our keywords bind wherever they may stand, and may stand only where they bind."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from amas_governance.json_schemas import SchemaRefused, check_schema
from amas_governance.narrowing import merge_argument_schema, validate_arguments
from amas_governance.schema_keywords import unknown

PATH: dict[str, Any] = {"pathPrefixes": ["docs"]}
TOOL: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string", "description": "The file."}}}

PLACES: list[tuple[dict[str, Any], Any, Any]] = [
    ({"properties": {"path": PATH}}, {"path": "docs/a"}, {"path": "etc/a"}),
    ({"properties": {"files": {"items": PATH}}}, {"files": ["docs/a"]}, {"files": ["docs/a", "etc/a"]}),
    ({"properties": {"pair": {"prefixItems": [True, PATH]}}}, {"pair": ["x", "docs/a"]}, {"pair": ["docs/a", "x"]}),
    ({"additionalProperties": PATH}, {"any": "docs/a"}, {"any": "etc/a"}),
    ({"patternProperties": {"^p": PATH}}, {"path": "docs/a", "q": "x"}, {"path": "x"}),
    ({"propertyNames": PATH}, {"docs/a": 1}, {"etc/a": 1}),
    ({"anyOf": [{"properties": {"p": PATH}}, {"required": ["q"]}]}, {"p": "x", "q": 1}, {"p": "x"}),
    ({"allOf": [{"properties": {"o": {"properties": {"p": PATH}}}}]}, {"o": {"p": "docs"}}, {"o": {"p": "../docs"}}),
    ({"properties": {"p": PATH}}, {"p": "docs/a"}, {"p": None}),
    ({"properties": {"u": {"hosts": ["example.com"]}}}, {"u": "https://example.com/"}, {"u": "https://evil.test/"}),
]


@pytest.mark.parametrize(("schema", "good", "bad"), PLACES)
def test_keywords_bind_at_any_depth(schema: dict[str, Any], good: Any, bad: Any) -> None:
    """Where a schema applies, the keyword in it does."""
    check_schema(schema)
    assert validate_arguments(schema, good) == []
    assert validate_arguments(schema, bad)
    assert validate_arguments(merge_argument_schema(TOOL, schema), bad)


@pytest.mark.parametrize(
    ("schema", "place", "message"),
    [
        ({"properties": {"p": {"pathPrefixes": "docs"}}}, ("properties", "p", "pathPrefixes"), "is a list of texts"),
        ({"properties": {"p": {"pathPrefixes": [1]}}}, ("properties", "p", "pathPrefixes"), "is a list of texts"),
        ({"items": {"hosts": []}}, ("items", "hosts"), "1 to 64 entries"),
        ({"items": {"hosts": ["https://a.b"]}}, ("items", "hosts"), "is written as example.com"),
        ({"items": {"pathPrefixes": ["../a"]}}, ("items", "pathPrefixes"), "goes up with"),
        ({"properties": {"l": {"type": "array", **PATH}}}, ("properties", "l", "pathPrefixes"), "below `items`"),
        ({"not": PATH}, ("not", "pathPrefixes"), "below `not`"),
        ({"if": {"properties": {"p": PATH}}}, ("if", "properties", "p", "pathPrefixes"), "below `if`"),
        ({"oneOf": [PATH]}, ("oneOf", 0, "pathPrefixes"), "below `oneOf`"),
        ({"contains": PATH}, ("contains", "pathPrefixes"), "below `contains`"),
        ({"contentSchema": PATH}, ("contentSchema", "pathPrefixes"), "below `contentSchema`"),
        ({"not": {"$ref": "#/$defs/p"}, "$defs": {"p": PATH}}, (), "may not use $ref"),
    ],
)
def test_a_wrong_use_is_named_with_its_place(schema: dict[str, Any], place: tuple[Any, ...], message: str) -> None:
    """A keyword that is misspelt, or that would refuse nothing where it stands, is a problem when it is applied."""
    with pytest.raises(SchemaRefused) as caught:
        check_schema(schema)
    assert caught.value.path == place
    assert message in str(caught.value)


def test_names_and_values_are_no_keywords() -> None:
    """A tool may well have an argument called `hosts`."""
    schema = {"properties": {"hosts": {"type": "integer"}}, "const": {"hosts": 1, "pathPrefixes": 2}}
    check_schema(schema)
    assert validate_arguments(schema, {"hosts": 1, "pathPrefixes": 2}) == []


def test_no_keyword_of_a_grant_is_unknown_or_misspelt() -> None:
    """What no validator holds against a value is a problem: it would narrow nothing. Names are no keywords."""
    fine = {"properties": {"maxlength": {"type": "string", "x-note": 1}}, "default": {"a": 1}, "pathPrefixes": ["docs"]}
    assert unknown(fine) is None
    for place in ("items", "not", "additionalProperties", "if", "contains"):
        assert unknown({place: {"patern": "a"}}) == (
            (place, "patern"),
            "unknown keyword of JSON Schema; did you mean pattern?",
        )
    assert unknown({"allOf": [{}, {"format": "e-mail"}]}) == (
        ("allOf", 1, "format"),
        "unknown format; did you mean email?",
    )


def test_models_are_told_in_words() -> None:
    """A model knows the standard keywords only, so the tool's own property and the grant's part say what is meant."""
    grant = {"properties": {"path": {"pathPrefixes": ["docs", "notes"]}, "to": {"items": {"hosts": ["a.example"]}}}}
    merged = merge_argument_schema(TOOL, grant)
    assert merged["properties"]["path"]["description"] == "The file. Must be a path under docs or notes."
    narrowed = merged["allOf"][0]["properties"]
    assert narrowed["path"]["description"] == "Must be a path under docs or notes."
    assert narrowed["to"]["items"]["description"] == "Must be an http or https URL of the host a.example."
    assert "description" not in grant["properties"]["path"]


def test_a_schema_with_our_keywords_stays_standard() -> None:
    """Another implementation of 2020-12 accepts it and takes our keywords for annotations."""
    schema = merge_argument_schema(TOOL, {"properties": {"path": PATH}})
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate({"path": "etc/passwd"})


def test_no_message_repeats_the_value() -> None:
    """An argument may be a secret."""
    found = validate_arguments({"properties": {"p": PATH}}, {"p": "hunter2/../secret"})
    assert found
    assert "hunter2" not in repr(found)
