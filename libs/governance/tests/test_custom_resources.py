"""custom_resources: definitions say what the models say, and lose nothing in silence."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.admission import RULES
from amas_governance.custom_resources import NAMES, definition, manifest_of
from amas_governance.custom_resources.structural import NotStructural, structural
from amas_governance.resources import KINDS, parse_manifest
from amas_governance.resources.manifest_fields import Model

from . import manifests

WITHOUT_A_RULE: frozenset[str] = frozenset()
"""Models whose cross-field checks no CEL within the cost limits can say even in part."""


def _models(root: type[Model]) -> set[type[Model]]:
    found = set(root.__subclasses__())
    return found.union(*(_models(model) for model in found)) if found else set()


def _parts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [part for item in value for part in _parts(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(part for key, item in value.items() if key != "not" for part in _parts(item))]


def test_every_kind_has_a_definition() -> None:
    """A kind that users write can be applied with kubectl."""
    assert set(NAMES) == set(KINDS)


def test_every_check_across_fields_has_a_rule() -> None:
    """Who adds a validator is asked for its CEL."""
    checking = {
        model.__name__
        for model in _models(Model)
        if model.__module__.startswith("amas_governance.resources") and model.__pydantic_decorators__.model_validators
    }
    with_rules = {model.__name__ for model in _models(Model) if model.ADMISSION}
    assert checking - with_rules - {"DlpRules"} == WITHOUT_A_RULE  # DlpRules' rule stands at its mapping
    assert len(checking) > 15


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_has_no_defaults_and_no_references(kind: str) -> None:
    """What a resource leaves out is decided when it is read, not when it is stored."""
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]
    assert not any(key in part for part in _parts(spec) for key in ("$ref", "$defs", "anyOf", "const"))
    assert not any("default" in part for part in _parts(spec) if "type" in part and isinstance(part["type"], str))
    assert schema["required"] == ["spec"]


def test_the_rules_of_a_type_and_of_its_place_both_hold() -> None:
    """`answers` has the rule of its mapping of detectors, and the one that nothing is held."""
    spec = definition("Orchestration")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    answers = spec["properties"]["answers"]
    assert "declassify" in answers[RULES][0]["message"]
    assert answers["properties"]["detectors"][RULES]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "contentEncoding": "base64"}, "contentEncoding"),
        ({"type": "array", "items": {"type": "string"}}, "without a bound"),
        ({"$ref": "#/$defs/Loop"}, "refer to itself"),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, "allOf"),
        ({"type": "object", "patternProperties": {"^a": {}, "^b": {}}}, "several kinds"),
        ({"type": "object", "patternProperties": {"^a": {}}, "propertyNames": {"format": "uri"}}, "format"),
        ({"type": "object", "propertyNames": {"maxLength": 3}, "additionalProperties": {}}, "propertyNames"),
    ],
)
def test_what_has_no_structural_form_is_an_error(schema: dict[str, Any], words: str) -> None:
    """A lost condition would let through what the models refuse."""
    loop = {"type": "object", "properties": {"again": {"$ref": "#/$defs/Loop"}}}
    with pytest.raises(NotStructural, match=words):
        structural(schema, {"$defs": {"Loop": loop}})


def test_an_object_of_the_server_is_read_as_its_author_wrote_it() -> None:
    """What appliers and the server add is no part of a resource; an author's annotation is."""
    written = manifests.role()
    written["metadata"] = {"name": "writer", "labels": {"team": "a"}, "annotations": {"why": "because"}}
    stored = {
        **written,
        "metadata": {
            **written["metadata"],
            "namespace": "acme",
            "uid": "1",
            "generation": 3,
            "managedFields": [{}],
            "finalizers": ["amas.dev/applied"],
            "annotations": {
                "why": "because",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "argocd.argoproj.io/tracking-id": "x",
            },
        },
        "status": {"observedGeneration": 3},
    }
    assert manifest_of(stored) == written
    assert parse_manifest(manifest_of(stored)) == parse_manifest(written)


def test_a_confidentiality_is_a_name_and_no_number() -> None:
    """The number behind it is ours: JSON must not know it."""
    with pytest.raises(ValueError, match=r"spec\.data\.clearance: expected one of public"):
        parse_manifest(manifests.role(data={"clearance": 3}))
