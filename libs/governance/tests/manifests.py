"""Small valid manifests that tests bend: each call gives a fresh copy."""

from __future__ import annotations

from typing import Any

from amas_governance.resources import Resource, parse_manifest

API = "amas.dev/v1alpha1"
TEXT_OUTPUT: dict[str, Any] = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


def role(name: str = "writer", **spec: Any) -> dict[str, Any]:
    """An AgentRole that takes and gives one text."""
    return {
        "apiVersion": API,
        "kind": "AgentRole",
        "metadata": {"name": name},
        "spec": {
            "version": "1.0.0",
            "purpose": "Writes.",
            "model": {"route": "default"},
            "instructions": "Write.",
            "input": {"schema": {"type": "object", "properties": {"text": {"type": "string"}}}},
            "output": {"schema": TEXT_OUTPUT},
        }
        | spec,
    }


def orchestration(*steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """An Orchestration of these steps; its input has `path` (required), `count` and `list`."""
    properties = {
        "path": {"type": "string"},
        "count": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    schema = {"type": "object", "required": ["path"], "properties": properties}
    return {
        "apiVersion": API,
        "kind": "Orchestration",
        "metadata": {"name": "flow"},
        "spec": {"version": "1.0.0", "input": {"schema": schema}, "steps": list(steps)} | spec,
    }


def server(name: str = "git", **spec: Any) -> dict[str, Any]:
    """A ToolServer with one tool that reads and one that writes."""
    return {
        "apiVersion": API,
        "kind": "ToolServer",
        "metadata": {"name": name},
        "spec": {
            "transport": {"stdio": {"command": ["mcp-server-git"]}},
            "tools": {"git_log": {"effect": "read", "idempotent": True}, "git_commit": {"effect": "write"}},
        }
        | spec,
    }


def provider() -> dict[str, Any]:
    """A ModelProvider with one model."""
    return {
        "apiVersion": API,
        "kind": "ModelProvider",
        "metadata": {"name": "local"},
        "spec": {"api": "openai", "baseUrl": "http://127.0.0.1:9/v1", "models": {"scripted": {"prices": []}}},
    }


def route() -> dict[str, Any]:
    """A ModelRoute to that model."""
    return {
        "apiVersion": API,
        "kind": "ModelRoute",
        "metadata": {"name": "default"},
        "spec": {"targets": [{"provider": "local", "model": "scripted"}]},
    }


def parsed(*manifests: dict[str, Any]) -> list[Resource]:
    """The resources of manifests, with the provider and the route that all roles use."""
    return [parse_manifest(manifest) for manifest in (provider(), route(), *manifests)]
