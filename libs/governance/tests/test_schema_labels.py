"""schema_labels: what a schema marks counts wherever it could apply, and a misspelt mark is refused (invariant I6)."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Integrity, Label
from amas_governance.resources import parse_manifest
from amas_governance.resources.manifests import ManifestError
from amas_governance.schema_labels import check_marks, schema_label, value_label

from . import manifests

MARK = {"x-amas-classification": {"confidentiality": "restricted", "categories": ["phi"]}}
PHI = Label(Confidentiality.RESTRICTED, frozenset({"phi"}))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (MARK, "x"),
        ({"properties": {"a": MARK}}, {"a": 1}),
        ({"items": MARK}, [1]),
        ({"prefixItems": [{}, MARK]}, [1, 2]),
        ({"prefixItems": [{}], "items": MARK}, [1, 2]),
        ({"additionalProperties": MARK}, {"any": 1}),
        ({"patternProperties": {"^a": MARK}}, {"a": 1}),
        ({"allOf": [{}, {"properties": {"a": MARK}}]}, {"a": 1}),
        ({"anyOf": [{"type": "string"}, MARK]}, "x"),
        ({"oneOf": [{"properties": {"a": MARK}}, {}]}, {"a": 1}),
        ({"if": {"const": 1}, "then": MARK}, 2),
        ({"dependentSchemas": {"a": MARK}}, {"b": 1}),
        ({"$ref": "#/$defs/A", "$defs": {"A": MARK}}, 1),
        ({"$ref": "#/$defs/A~1B", "$defs": {"A/B": {"properties": {"x": MARK}}}}, {"x": 1}),
        ({"$ref": "https://elsewhere.test/schema", "$defs": {"A": MARK}}, 1),
        ({"properties": {"x-amas-classification": MARK}}, {"x-amas-classification": 1}),
        ({"properties": {"properties": {"properties": {"a": MARK}}}}, {"properties": {"a": 1}}),
    ],
)
def test_a_mark_counts_wherever_it_could_apply(schema: dict[str, Any], value: object) -> None:
    """I6: no way of writing a schema loses a mark that speaks of a value which is there."""
    assert value_label(schema, value) == PHI
    assert schema_label(schema) == PHI


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"a": MARK}}, {"b": 1}),
        ({"properties": {"a": MARK}}, {"a": None}),
        ({"items": MARK}, []),
        ({"properties": {"a": {"const": MARK}}}, {"a": MARK}),
        ({"properties": {"x-amas-classification": {"type": "object"}}}, {"x-amas-classification": 1}),
    ],
)
def test_a_mark_of_what_is_absent_does_not_count(schema: dict[str, Any], value: object) -> None:
    """A label says what a value holds, not what it might have held; data is no mark."""
    assert value_label(schema, value) == Label.LOWEST


def test_a_recursive_schema_ends() -> None:
    """A schema that refers to itself is walked as deep as the value, and a circle of references ends."""
    tree = {"$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N"}, "a": MARK}}}, "$ref": "#/$defs/N"}
    assert value_label(tree, {"next": {"next": {"a": 1}}}) == PHI
    assert value_label(tree, {"next": {"next": {}}}) == Label.LOWEST
    circle = {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A", **MARK}}, "$ref": "#/$defs/A"}
    assert value_label(circle, 1) == PHI


@pytest.mark.parametrize(
    "mark",
    [
        None,
        {},
        "pii",
        {"category": ["pii"]},
        {"categories": "pii"},
        {"categories": ["personal"]},
        {"categories": [1]},
        {"confidentiality": "secret"},
        {"integrity": "maybe"},
    ],
)
def test_a_mark_that_means_nothing_is_refused_when_applied(mark: object) -> None:
    """I11: a misspelt mark would classify nothing, so the resource is refused, wherever the mark stands."""
    schema = {"type": "object", "properties": {"a": {"x-amas-classification": mark}}}
    with pytest.raises(ValueError, match="x-amas-classification"):
        check_marks(schema)
    with pytest.raises(ManifestError):
        parse_manifest(manifests.role(input={"schema": schema}))


def test_a_mark_needs_one_member_only() -> None:
    """What is not said is the lowest."""
    assert schema_label({"x-amas-classification": {"integrity": "untrusted"}}) == Label(integrity=Integrity.UNTRUSTED)
