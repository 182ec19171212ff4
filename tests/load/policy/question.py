"""The one question of the benchmark: a role commits with a message of 2 KB, and is allowed to."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from amas.common.v1 import identity_pb2, label_pb2
from amas.policy.v1 import policy_pb2
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.resources import parse_manifest
from ruamel.yaml import YAML

from .stage import POLICIES

API = "amas.dev/v1alpha1"
ARGUMENT_BYTES = 2_048
WORDS = (
    "the",
    "order",
    "parcel",
    "customer",
    "notes",
    "release",
    "of",
    "adds",
    "removes",
    "a",
    "field",
    "to",
    "and",
    "for",
)
GIT = {
    "apiVersion": API,
    "kind": "ToolServer",
    "metadata": {"name": "git"},
    "spec": {
        "transport": {
            "stdio": {
                "command": ["mcp-server-git", "--repository", "repository"],
                "sandbox": {"writable": ["repository"]},
            }
        },
        "tools": {"git_log": {"effect": "read", "idempotent": True}, "git_commit": {"effect": "write"}},
    },
}
ROLE = {
    "apiVersion": API,
    "kind": "AgentRole",
    "metadata": {"name": "publisher"},
    "spec": {
        "version": "1.0.0",
        "purpose": "A benchmark.",
        "model": {"route": "default"},
        "instructions": "Commit.",
        "input": {"schema": {"type": "object"}},
        "output": {"schema": {"type": "object"}},
        "tools": [
            {"name": "git/git_log"},
            {
                "name": "git/git_commit",
                "arguments": {"properties": {"message": {"type": "string", "maxLength": 4096, "pattern": "^docs: "}}},
                "limits": {"calls": 1000},
            },
        ],
    },
}


def bundle(pin: str | None) -> Bundle:
    """The role and its server under the shipped policies."""
    server = {**GIT, "spec": {**GIT["spec"], **({"pin": pin} if pin else {})}}  # type: ignore[dict-item]
    policies = PolicySet(wasm=(POLICIES / "build" / "policy.wasm").read_bytes())
    return Bundle.build([parse_manifest(ROLE), parse_manifest(server)], policies)


def message(number: int) -> str:
    """Arguments of 2 KB, another text for each number."""
    choose = random.Random(number)  # noqa: S311 - the same text each time
    text = f"docs: change {number}"
    while len(text) < ARGUMENT_BYTES - 60:
        text += " " + choose.choice(WORDS)
    return text


def request(digest: str, text: str) -> policy_pb2.DecideRequest:
    """What the orchestrator asks the sidecar."""
    context = policy_pb2.ActionContext(
        principal=identity_pb2.Principal(
            subject="developer", issuer="https://issuer.example", tenant="acme", roles=["developer"]
        ),
        bundle=digest,
        run_id="run-1",
        step="publish",
        turn=1,
        role="publisher",
        context_label=label_pb2.Label(
            confidentiality=label_pb2.CONFIDENTIALITY_INTERNAL, integrity=label_pb2.INTEGRITY_TRUSTED
        ),
    )
    arguments = json.dumps({"repo_path": "repository", "message": text})
    action = policy_pb2.ToolAction(tool="git/git_commit", arguments_json=arguments)
    return policy_pb2.DecideRequest(context=context, tool=action)


def policy_input(text: str) -> dict[str, Any]:
    """What the sidecar asks OPA about it."""
    base: dict[str, Any] = YAML(typ="safe").load(Path(POLICIES / "base_input.yaml"))
    base["action"] |= {"tool": "git/git_commit", "effect": "write", "idempotent": False}
    base["action"]["arguments"] = {"repo_path": "repository", "message": text}
    base["grant"] |= {"tool": "git/git_commit"}
    return base
