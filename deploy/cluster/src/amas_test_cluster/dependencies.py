"""What the platform depends on, for tests: Postgres, Valkey, an OIDC issuer, a scripted model, an MCP tool server.

Passwords, tokens and the issuer's certificate are made when the cluster comes up, and stand only in Secrets: in
`amas-deps` for the servers, in `amas` for their clients, since a pod mounts only Secrets of its own namespace.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from pathlib import Path

from .files import render
from .images import references
from .kubectl import Kubectl
from .layout import Layout
from .pki import Authority
from .progress import say, step

SERVERS, CLIENTS = "amas-deps", "amas"
# Bytes of randomness of a password or token.
SECRET_BYTES = 32
ISSUER_NAMES = ("issuer", "issuer.amas-deps", "issuer.amas-deps.svc", "issuer.amas-deps.svc.cluster.local")
# The development issuer's clients (amas_cli/local/issuer/principals.py).
ISSUER_CLIENTS = ("developer", "release-manager", "support-lead", "auditor", "other-developer")
IMAGES = ("postgres", "valkey", "cli", "mcp-workspace")
WORKLOADS = (
    "statefulset/postgres",
    "statefulset/valkey",
    "deployment/issuer",
    "deployment/scripted-model",
    "deployment/mcp-workspace",
)
VOLUMES = ("postgres", "valkey")
# User and group of every image of ours.
IMAGE_USER = 65532
READY_S = 180


def start_dependencies(layout: Layout, kubectl: Kubectl, *, own_node: bool = True) -> None:
    """Makes the Secrets and applies the dependencies, once their images are there; waits until they are ready."""
    make_secrets(kubectl)
    tags = references(layout)
    missing = [name for name in IMAGES if name not in tags]
    if missing:
        say(f"dependencies wait for the images {', '.join(missing)}: `make images`, then `make cluster-load`")
        return
    if own_node:
        _make_volumes(layout, kubectl)
    values = {f"{name.replace('-', '_')}_tag": tags[name] for name in IMAGES}
    with step("dependencies"):
        for path in sorted((layout.source / "dependencies").glob("*.yaml")):
            kubectl.apply(render(path, **values))
        for workload in WORKLOADS:
            kubectl.wait_rollout(SERVERS, workload, READY_S)


def make_secrets(kubectl: Kubectl) -> None:
    """Makes what is absent; what is there stays, so that a second call changes no password."""
    if kubectl.secret_exists(CLIENTS, "tool-credentials"):
        return
    postgres, valkey, tool = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
    clients = {name: secrets.token_urlsafe(SECRET_BYTES) for name in ISSUER_CLIENTS}
    certificate, key, authority = _issuer_certificate()
    made = (
        (SERVERS, "postgres", {"password": postgres}),
        (SERVERS, "valkey", {"password": valkey}),
        (SERVERS, "issuer-clients", clients),
        (SERVERS, "issuer-admin", {"admin": secrets.token_urlsafe(SECRET_BYTES)}),
        (SERVERS, "issuer-tls", {"tls.crt": certificate, "tls.key": key}),
        (SERVERS, "issuer-ca", {"ca.crt": authority}),
        (SERVERS, "mcp-workspace", {"tokens": tool}),
        (CLIENTS, "postgres-admin", {"password": postgres}),
        (CLIENTS, "valkey", {"password": valkey}),
        (CLIENTS, "issuer-clients", clients),
        (CLIENTS, "issuer-ca", {"ca.crt": authority}),
        # The whole value of the header, as a tool server's credential is sent.
        (CLIENTS, "tool-credentials", {"workspace": f"Bearer {tool}"}),
    )
    items = [_secret(namespace, name, content) for namespace, name, content in made]
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def _secret(namespace: str, name: str, content: dict[str, str]) -> dict[str, object]:
    data = {entry: base64.b64encode(value.encode()).decode() for entry, value in content.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _issuer_certificate() -> tuple[str, str, str]:
    """Certificate and key of the issuer, and the authority that signed them, whose key is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder, "issuer-ca")
        authority.issue("issuer", "issuer", names=ISSUER_NAMES)
        files = (folder / "issuer.crt", folder / "issuer.key", authority.certificate)
        certificate, key, root = (path.read_text() for path in files)
        return certificate, key, root


def _make_volumes(layout: Layout, kubectl: Kubectl) -> None:
    for name in VOLUMES:
        folder = layout.state / "volumes" / name
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            os.chown(folder, IMAGE_USER, IMAGE_USER)
    kubectl.apply(render(layout.manifests / "volumes.yaml", state=str(layout.state)))
