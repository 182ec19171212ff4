"""resources: strict models whose manifests mean the same for ever."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.labels import Confidentiality, Integrity
from amas_governance.resources import AgentRole, ManifestError, ModelProvider, ToolServer, parse_manifest

from . import manifests


def problems(manifest: dict[str, Any]) -> dict[str, str]:
    """Field and message of each problem of a manifest that must be refused."""
    with pytest.raises(ManifestError) as refused:
        parse_manifest(manifest)
    return {".".join(str(part) for part in path): message for path, message in refused.value.problems}


@pytest.mark.parametrize(
    "manifest",
    [
        manifests.role(tools=[{"name": "git/git_log", "approval": {"from": ["a"], "expiresIn": "90m"}}]),
        manifests.orchestration({"name": "a", "role": "writer", "with": {"x": None, "y": [1, {"z": None}]}}),
        manifests.server(limits={"rate": "60/m", "responseSize": "2Mi"}),
        manifests.provider(),
        manifests.route(),
    ],
)
def test_a_manifest_survives_the_round_trip(manifest: dict[str, Any]) -> None:
    """Parsing what a resource writes gives the same resource and the same text again."""
    resource = parse_manifest(manifest)
    assert parse_manifest(resource.to_manifest()) == resource
    assert parse_manifest(resource.to_manifest()).to_manifest() == resource.to_manifest()


def test_nulls_inside_inputs_and_schemas_are_kept() -> None:
    """Leaving absent fields out never touches what a user wrote."""
    schema = {"type": "object", "properties": {"a": {"enum": [None, 1], "default": None}}}
    role = parse_manifest(manifests.role(input={"schema": schema}))
    assert role.to_manifest()["spec"]["input"]["schema"] == schema
    flow = parse_manifest(manifests.orchestration({"name": "a", "role": "r", "with": {"x": None}}))
    assert flow.to_manifest()["spec"]["steps"][0]["with"] == {"x": None}


def test_equal_values_have_one_canonical_text() -> None:
    """`60m` and `1h`, "0.50" and "0.5" are the same contract and give the same bundle."""
    one = manifests.role(
        bounds={"wallClock": "60m", "bytesIn": "1024Ki", "cost": {"amount": "0.50", "currency": "USD"}}
    )
    two = manifests.role(bounds={"wallClock": "1h", "bytesIn": "1Mi", "cost": {"amount": "0.5", "currency": "USD"}})
    assert parse_manifest(one).to_manifest() == parse_manifest(two).to_manifest()


def test_every_bound_has_a_default() -> None:
    """A contract that states no bound is still bounded."""
    role = parse_manifest(manifests.role())
    assert isinstance(role, AgentRole)
    bounds = role.spec.bounds.model_dump()
    assert all(value is not None for value in bounds.values())
    assert role.spec.tools == ()
    assert role.spec.data.clearance is Confidentiality.INTERNAL


def test_results_are_untrusted_unless_a_server_says_otherwise() -> None:
    """The default label is the careful one; a tool's own label wins over its server's."""
    server = parse_manifest(
        manifests.server(
            tools={
                "a": {"effect": "read"},
                "b": {"effect": "read", "results": {"integrity": "trusted", "categories": ["pii"]}},
            }
        )
    )
    assert isinstance(server, ToolServer)
    assert server.spec.result_label("a").integrity is Integrity.UNTRUSTED
    assert server.spec.result_label("b").integrity is Integrity.TRUSTED
    assert server.spec.result_label("b").categories == {"pii"}


def test_the_price_of_a_day_is_the_latest_before_it() -> None:
    """A price change holds from its day on, and never before."""
    import datetime

    prices = [
        {"from": "2026-01-01", "inputPerMillion": "1", "outputPerMillion": "2", "currency": "USD"},
        {"from": "2026-06-01", "inputPerMillion": "3", "outputPerMillion": "4", "currency": "USD"},
    ]
    manifest = manifests.provider()
    manifest["spec"]["models"]["scripted"]["prices"] = prices
    provider = parse_manifest(manifest)
    assert isinstance(provider, ModelProvider)
    model = provider.spec.models["scripted"]
    assert model.price_on(datetime.date(2025, 12, 31)) is None
    on_first, on_later = model.price_on(datetime.date(2026, 5, 31)), model.price_on(datetime.date(2026, 6, 1))
    assert on_first is not None
    assert on_later is not None
    assert (str(on_first.input_per_million), str(on_later.input_per_million)) == ("1", "3")


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"version": 1.2}, "spec.version", "expected a text, found 1.2"),
        ({"version": "1.2"}, "spec.version", "semantic version"),
        ({"toolz": []}, "spec.toolz", "unknown field; did you mean tools?"),
        ({"tools": [{"name": "a/b", "argument": {}}]}, "spec.tools.0.argument", "did you mean arguments?"),
        ({"tools": [{"name": "a/b", "approval": {"of": []}}]}, "spec.tools.0.approval.of", "there are: escalate, "),
        ({"model": {"route": "a", "rout": "b"}}, "spec.model.rout", "did you mean route?"),
        (
            {"tools": [{"name": "a/b", "arguments": {"properties": {"p": {"maxlength": 3}}}}]},
            "spec.tools.0.arguments.properties.p.maxlength",
            "unknown keyword of JSON Schema; did you mean maxLength?",
        ),
        (
            {"tools": [{"name": "a/b", "arguments": {"properties": {"p": {"format": "urI"}}}}]},
            "spec.tools.0.arguments.properties.p.format",
            "unknown format",
        ),
        (
            {"tools": [{"name": "a/b", "arguments": {"properties": {"p": {"type": "strng"}}}}]},
            "spec.tools.0.arguments.properties.p.type",
            "expected array, boolean",
        ),
        ({"on_bound": "fail"}, "spec.on_bound", "unknown field"),
        ({"purpose": ""}, "spec.purpose", "at least 1"),
        ({"model": {"route": "Default"}}, "spec.model.route", "DNS-1123"),
        ({"model": {"route": "a", "temperature": 3}}, "spec.model.temperature", "less than or equal to 2"),
        ({"bounds": {"steps": "3"}}, "spec.bounds.steps", 'expected a whole number, found "3"'),
        ({"bounds": {"steps": True}}, "spec.bounds.steps", "expected a whole number"),
        ({"bounds": {"wallClock": "10"}}, "spec.bounds.wallClock", "duration such as"),
        ({"bounds": {"cost": {"amount": 0.25, "currency": "USD"}}}, "spec.bounds.cost.amount", "quoted decimal"),
        ({"bounds": {"cost": {"amount": "1", "currency": "usd"}}}, "spec.bounds.cost.currency", "matches"),
        ({"data": {"clearance": "secret"}}, "spec.data.clearance", "public, internal"),
        ({"data": {"categories": ["pi"]}}, "spec.data.categories.0", "'pii'"),
        ({"data": {"categories": ["pii", "pii"]}}, "spec.data.categories", "twice"),
        ({"tools": [{"name": "git_log"}]}, "spec.tools.0.name", "such as git/git_commit"),
        ({"tools": [{"name": "a/b"}, {"name": "a/b"}]}, "spec.tools.1.name", "a/b appears twice"),
        ({"tools": [{"name": "a/b", "approval": {"from": []}}]}, "spec.tools.0.approval.from", "at least 1"),
        ({"tools": [{"name": "a/b", "arguments": {"$ref": "#/x"}}]}, "spec.tools.0.arguments.$ref", "$ref"),
        ({"tools": [{"name": "a/b", "arguments": {"type": "string"}}]}, "spec.tools.0.arguments", "are an object"),
        (
            {"tools": [{"name": "a/b", "arguments": {"properties": {"p": {"pathPrefixes": "docs"}}}}]},
            "spec.tools.0.arguments.properties.p.pathPrefixes",
            "pathPrefixes is a list of texts",
        ),
        (
            {"tools": [{"name": "a/b", "arguments": {"items": {"hosts": ["https://a.example"]}}}]},
            "spec.tools.0.arguments.items.hosts",
            "written as example.com",
        ),
        ({"tools": [{"name": "a/b", "arguments": {"$defs": {}}}]}, "spec.tools.0.arguments.$defs", "refer to it"),
        ({"deprecated": {"since": "soon", "message": "x"}}, "spec.deprecated.since", "expected a date such as"),
        ({"deprecated": {"since": "2026-01-01"}}, "spec.deprecated.message", "required"),
        (
            {"deprecated": {"since": "2026-02-01", "removal": "2026-01-01", "message": "x"}},
            "spec.deprecated",
            "before the day",
        ),
        ({"input": {"schema": {"type": "string"}}}, "spec.input.schema", "type: object"),
        ({"input": {"schema": {"type": "object", "required": "a"}}}, "spec.input.schema.required", "not a usable"),
        (
            {"input": {"schema": {"type": "object", "$ref": "http://127.0.0.1:9/x"}}},
            "spec.input.schema",
            "not a usable",
        ),
        (
            {"input": {"schema": {"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"}}},
            "spec.input.schema.$schema",
            "dialect",
        ),
        (
            {"output": {"schema": {"type": "object", "properties": {"a": {"pattern": "(a)\\1"}}}}},
            "spec.output.schema.properties.a.pattern",
            "expected a regular expression",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(spec: dict[str, Any], field: str, words: str) -> None:
    """Bad input gets a precise error (I11)."""
    found = problems(manifests.role(**spec))
    assert field in found
    assert words in found[field]


def test_all_problems_are_told_at_once() -> None:
    """One round of corrections is enough."""
    found = problems(manifests.role(version="x", purpose="", bounds={"steps": 0}))
    assert set(found) == {"spec.version", "spec.purpose", "spec.bounds.steps"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"apiVersion": "amas.dev/v2"}, "apiVersion"),
        ({"kind": "Agent"}, "kind"),
        ({"metadata": {"name": "A"}}, "metadata.name"),
        ({"metadata": {"name": "a", "labels": {"a b": "c"}}}, "metadata.labels"),
        ({"status": {}}, "status"),
        ({"spec": None}, "spec"),
    ],
)
def test_the_outer_form_is_checked(change: dict[str, Any], field: str) -> None:
    """apiVersion, kind and metadata are held to the form; status is written by AMAS alone."""
    assert field in problems(manifests.role() | change)


@pytest.mark.parametrize(
    "transport",
    [
        {},
        {"stdio": {"command": ["a"]}, "http": {"url": "https://example.com/mcp"}},
        {"stdio": {"command": []}},
        {"http": {"url": "ftp://example.com"}},
        {"http": {"url": "https://user:secret@example.com"}},
        {"http": {"url": "https://example.com", "egress": {"networks": ["10.0.0.1/8"]}}},
        {"http": {"url": "https://example.com", "egress": {"networks": ["intranet"]}}},
        {"http": {"url": "https://example.com", "egress": {"networks": ["10.0.0.0/8", "10.0.0.0/8"]}}},
    ],
)
def test_a_tool_server_has_exactly_one_way_without_secrets(transport: dict[str, Any]) -> None:
    """A transport is stdio or http; no URL carries a password, and networks that it may be in are networks."""
    assert any(field.startswith("spec.transport") for field in problems(manifests.server(transport=transport)))


def test_a_schema_is_bounded_in_depth_and_size() -> None:
    """A schema bomb is an error message, not a crash."""
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(60):
        deep = {"type": "object", "properties": {"a": deep}}
    assert "at most 32 levels" in repr(problems(manifests.role(input={"schema": deep})))
    wide = {"type": "object", "properties": {f"p{n}": {} for n in range(6000)}}
    assert "at most" in problems(manifests.role(input={"schema": wide}))["spec.input.schema"]


def test_resources_cannot_be_changed() -> None:
    """A resource is a value: what was checked is what is used."""
    role = parse_manifest(manifests.role())
    with pytest.raises(ValueError, match="frozen"):
        role.metadata.name = "other"


@pytest.mark.parametrize(
    "answers", [{"pii": "hold"}, {"detectors": {"email": "hold"}}, {"detectors": {"nose": "deny"}}]
)
def test_answers_are_held_for_nobody(answers: dict[str, Any]) -> None:
    """Who waits for an answer could read it in the approval: the problem says which act people have instead."""
    step = {"name": "a", "role": "r"}
    assert any(field.startswith("spec.answers") for field in problems(manifests.orchestration(step, answers=answers)))
    parse_manifest(manifests.orchestration(step, answers={"pii": "redact", "detectors": {"email": "allow"}}))
