"""What a session with a tool server depends on has one name, and nothing else changes it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from amas_governance.resources import ToolServer, parse_manifest

MANIFEST: dict[str, Any] = {
    "apiVersion": "amas.dev/v1alpha1",
    "kind": "ToolServer",
    "metadata": {"name": "git"},
    "spec": {"transport": {"stdio": {"command": ["mcp-server-git"]}}, "tools": {"git_log": {"effect": "read"}}},
}


def digest_with(**spec: Any) -> str:
    manifest = copy.deepcopy(MANIFEST)
    manifest["spec"].update(spec)
    server = parse_manifest(manifest)
    assert isinstance(server, ToolServer)
    return server.connection_digest


@pytest.mark.parametrize(
    "spec",
    [{"pin": "sha256:" + "0" * 64}, {"tools": {"git_log": {"effect": "write"}, "git_commit": {"effect": "write"}}}],
)
def test_policy_and_pin_make_no_other_session(spec: dict[str, Any]) -> None:
    """Accepting a server's tools must not begin a second session with it."""
    assert digest_with(**spec) == digest_with()


@pytest.mark.parametrize(
    "spec",
    [
        {"transport": {"stdio": {"command": ["mcp-server-git", "--verbose"]}}},
        {"limits": {"timeout": "7s"}},
        {"credentials": [{"file": "token"}]},
    ],
)
def test_another_program_or_credential_is_another_session(spec: dict[str, Any]) -> None:
    """A session is never used for a definition that it was not begun with."""
    assert digest_with(**spec) != digest_with()


def test_a_server_of_another_name_is_another_session() -> None:
    """Even with the same program."""
    other = parse_manifest({**MANIFEST, "metadata": {"name": "other"}})
    assert isinstance(other, ToolServer)
    assert other.connection_digest != digest_with()
    assert other.to_manifest()["metadata"]["name"] == "other"
