"""What `amas diff` says of a tool server, in words: a reviewer sees where it gets more freedom."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.diff_tool_servers import diff_tool_servers
from amas_governance.resources import ToolServer, parse_manifest

from . import manifests

HTTP = {"url": "https://tools.example.com/mcp"}


def server(**spec: Any) -> ToolServer:
    """A server with these fields."""
    parsed = parse_manifest(manifests.server(**spec))
    assert isinstance(parsed, ToolServer)
    return parsed


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The differences as text."""
    return [str(change) for change in diff_tool_servers(server(**before), server(**after))]


def tool(**policy: Any) -> dict[str, Any]:
    """A server of one tool."""
    return {"tools": {"send": {"effect": "external"} | policy}}


def http(*networks: str, **more: Any) -> dict[str, Any]:
    """A server over HTTP in these networks."""
    return {"transport": {"http": HTTP | {"egress": {"networks": list(networks)}} | more}}


def test_nothing_changed_is_an_empty_diff() -> None:
    """A diff never cries wolf, whatever the order of names."""
    assert changes(tool(sensitive=["to", "cc"]), tool(sensitive=["cc", "to"])) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (http(), http("10.0.0.0/8"), "gains: may be in the network 10.0.0.0/8"),
        (http("127.0.0.0/8"), http(), "loses: may be in the network 127.0.0.0/8"),
        (
            http(),
            http(url="https://elsewhere.example/mcp"),
            "changes: is reached at https://elsewhere.example/mcp; before: reached at https://tools.example.com/mcp",
        ),
        (tool(), tool(sensitive=["to"]), "gains: send: sensitive are to; before: every argument is sensitive"),
        (tool(sensitive=["to"]), tool(sensitive=[]), "gains: send: no argument is sensitive; before: sensitive are to"),
        (tool(sensitive=["to"]), tool(), "loses: send: every argument is sensitive; before: sensitive are to"),
        (
            tool(sensitive=["to"]),
            tool(sensitive=["cc", "to"]),
            "loses: send: sensitive are cc, to; before: sensitive are to",
        ),
        (tool(sensitive=["to"]), tool(sensitive=["cc"]), "changes: send: sensitive are cc; before: sensitive are to"),
        (
            tool(clearance={"confidentiality": "internal"}),
            tool(clearance={"confidentiality": "confidential", "categories": ["pii"]}),
            "gains: send: may be handed confidential data with pii; before: internal data",
        ),
        (
            tool(clearance={"confidentiality": "internal"}),
            tool(),
            "gains: send: may be handed whatever its role may see; before: internal data",
        ),
        (
            tool(clearance={"confidentiality": "internal", "categories": ["pii"]}),
            tool(clearance={"confidentiality": "confidential"}),
            "changes: send: may be handed confidential data; before: internal data with pii",
        ),
        (
            tool(),
            tool(results={"integrity": "trusted"}),
            "gains: send: its answers are internal and trusted; before: internal and untrusted",
        ),
        (
            tool(),
            tool(results={"confidentiality": "restricted"}),
            "loses: send: its answers are restricted and untrusted; before: internal and untrusted",
        ),
        (tool(), tool(effect="read"), "gains: send: counts as read instead of external"),
        (tool(), tool(idempotent=True), "gains: send: may be repeated"),
        ({}, {"pin": f"sha256:{'0' * 64}"}, "changes: which tools are accepted (the pin)"),
        ({}, {"limits": {"timeout": "5s"}}, "changes: limits"),
        (
            {},
            {"credentials": [{"file": "token", "env": "TOKEN"}]},
            "gains: gets the credential token as variable TOKEN",
        ),
    ],
)
def test_each_difference_is_said(before: dict[str, Any], after: dict[str, Any], said: str) -> None:
    """More freedom is a gain, less is a loss, and what is neither is a change."""
    assert changes(before, after) == [said]


def test_a_server_wide_clearance_is_told_by_tool() -> None:
    """What counts is what a tool gets, wherever it is said."""
    given = {"clearance": {"confidentiality": "internal"}}
    assert changes(tool(), tool() | given) == [
        "loses: send: may be handed internal data; before: whatever its role may see"
    ]


def test_a_jail_that_opens_is_a_gain() -> None:
    """Network and folders, and any other bound as a change."""
    open_jail = {"network": "host", "readable": ["a"], "writable": ["b"], "memory": "1Gi"}
    jails = [{"transport": {"stdio": {"command": ["x"], "sandbox": jail}}} for jail in ({}, open_jail)]
    assert changes(*jails) == [
        "gains: has the host's network",
        "gains: may read the folder a",
        "gains: may write the folder b",
        "changes: the bounds of its sandbox",
    ]


def test_new_and_removed_servers_and_tools() -> None:
    """A whole server counts with all that it brings."""
    two = {"tools": {"send": {"effect": "external"}, "look": {"effect": "read", "sensitive": []}}}
    assert changes(tool(), two) == ["gains: look: may be granted (read)", "gains: look: no argument is sensitive"]
    assert changes(two, tool()) == ["loses: look: may be granted"]
    new = [str(one) for one in diff_tool_servers(None, server(**http("10.0.0.0/8"), **tool()))]
    assert new == [
        "gains: the tool server is new: reached at https://tools.example.com/mcp",
        "gains: may be in the network 10.0.0.0/8",
        "gains: send: may be granted (external)",
    ]
    assert [str(one) for one in diff_tool_servers(server(), None)] == ["loses: the tool server is removed"]
    assert diff_tool_servers(None, None) == []
