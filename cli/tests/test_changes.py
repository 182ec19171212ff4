"""What `amas diff` says of a change in words, by the kind of resource."""

from typing import Any

from amas_cli.output.changes import gained_and_lost


def manifest(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "amas.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}


def server(*networks: str) -> dict[str, Any]:
    """A tool server over HTTP in these networks."""
    http = {"url": "https://tools.example.com/mcp", "egress": {"networks": list(networks)}}
    return manifest("ToolServer", transport={"http": http}, tools={"look": {"effect": "read"}})


def orchestration(**answers: str) -> dict[str, Any]:
    """One whose callers see this."""
    steps = [{"name": "only", "role": "worker"}]
    return manifest(
        "Orchestration", version="1.0.0", input={"schema": {"type": "object"}}, steps=steps, answers=answers
    )


def words(kind: str, before: Any, after: Any) -> list[str]:
    return gained_and_lost({"kind": kind, "name": "x", "before": before, "after": after})


def test_a_wider_network_of_a_tool_server_is_said() -> None:
    """The line that a reviewer must see."""
    assert words("ToolServer", server(), server("10.0.0.0/8")) == ["gains: may be in the network 10.0.0.0/8"]
    assert words("ToolServer", None, server())[0].startswith("gains: the tool server is new")


def test_what_callers_see_of_an_orchestration_is_said() -> None:
    """More and less; where a rule goes, what holds without it."""
    assert words("Orchestration", orchestration(pii="redact"), orchestration(pii="allow")) == [
        "gains: to callers personal data may leave"
    ]
    assert words("Orchestration", orchestration(pii="deny"), orchestration()) == [
        "changes: to callers personal data: what holds where nothing is said now"
    ]


def test_of_other_kinds_the_manifests_alone_speak() -> None:
    """Their differences are shown as YAML."""
    assert words("Budget", None, None) == []
