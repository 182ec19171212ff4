"""Resources that tests are made of: a publisher who may read and commit, and the server whose tools those are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amas_governance.bundle import Bundle, PolicySet
from amas_governance.pins import tool_list_pin
from amas_governance.resources import parse_manifest
from amas_policy_sidecar.domain.model import ToolDescription

API = "amas.dev/v1alpha1"
LOG_SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "count": {"type": "integer"}}}
COMMIT_SCHEMA = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}
OFFERED = (
    ToolDescription("log", "Shows the log.", LOG_SCHEMA, {"name": "log", "inputSchema": LOG_SCHEMA}),
    ToolDescription("commit", "Commits.", COMMIT_SCHEMA, {"name": "commit", "inputSchema": COMMIT_SCHEMA}),
)
PIN = tool_list_pin([tool.definition for tool in OFFERED])


def role(name: str, tools: Sequence[Mapping[str, Any]], **spec: Any) -> dict[str, Any]:
    """The manifest of a role with these grants."""
    return {
        "apiVersion": API,
        "kind": "AgentRole",
        "metadata": {"name": name},
        "spec": {
            "version": "1.0.0",
            "purpose": "A test.",
            "model": {"route": "default"},
            "instructions": "Do it.",
            "input": {"schema": {"type": "object"}},
            "output": {"schema": {"type": "object"}},
            "tools": list(tools),
            **spec,
        },
    }


def tool_server(**spec: Any) -> dict[str, Any]:
    """The manifest of the server `git`, with a read and a write tool."""
    return {
        "apiVersion": API,
        "kind": "ToolServer",
        "metadata": {"name": "git"},
        "spec": {
            "transport": {"stdio": {"command": ["git-server"]}},
            "tools": {"log": {"effect": "read", "idempotent": True}, "commit": {"effect": "write"}},
            "pin": PIN,
            **spec,
        },
    }


def quota(name: str, **spec: Any) -> dict[str, Any]:
    """The manifest of a quota of an hour."""
    return {
        "apiVersion": API,
        "kind": "Quota",
        "metadata": {"name": name},
        "spec": {"window": "hour", **spec},
    }


ROUTE: dict[str, Any] = {
    "apiVersion": API,
    "kind": "ModelRoute",
    "metadata": {"name": "default"},
    "spec": {
        "targets": [{"provider": "local", "model": "small"}],
        "clearance": {"confidentiality": "internal"},
    },
}
COMMIT = {
    "name": "git/commit",
    "arguments": {"properties": {"message": {"type": "string", "maxLength": 80, "pattern": "^docs: "}}},
}
PUBLISHER = role("publisher", [{"name": "git/log"}, COMMIT])


def bundle(*manifests: Mapping[str, Any], route: Mapping[str, Any] | None = None) -> Bundle:
    """A bundle of these resources and a route, without policies."""
    return Bundle.build([parse_manifest(manifest) for manifest in (*manifests, route or ROUTE)], PolicySet())
