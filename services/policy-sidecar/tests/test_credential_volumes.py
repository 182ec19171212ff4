"""Credentials of tool servers in a Secret's volume: the next call sends what is there now, and all stay masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amas_governance.resources import ToolServer, parse_manifest
from amas_policy_sidecar.adapters.credentials import CredentialFiles

MANIFEST = {
    "apiVersion": "amas.dev/v1alpha1",
    "kind": "ToolServer",
    "metadata": {"name": "files"},
    "spec": {
        "transport": {"http": {"url": "https://tools.test/mcp"}},
        "tools": {"list": {"effect": "read"}},
        "credentials": [{"file": "token", "header": "Authorization"}],
    },
}


def test_a_replaced_volume_gives_the_new_credential(mounted_secret: Callable[[dict[str, bytes]], Any]) -> None:
    """A rotation needs no restart; what a server knew before is masked in its answers all the same."""
    mounted = mounted_secret({"token": b"Bearer first-secret-value\n"})
    server = parse_manifest(MANIFEST)
    assert isinstance(server, ToolServer)
    files = CredentialFiles(server, mounted.folder)
    assert files.read().headers == {"Authorization": "Bearer first-secret-value"}
    mounted.update({"token": b"Bearer other-secret-value\n"})
    assert files.read().headers == {"Authorization": "Bearer other-secret-value"}
    for value in ("Bearer first-secret-value", "Bearer other-secret-value"):
        assert value not in files.mask.text(f"you sent {value}")
