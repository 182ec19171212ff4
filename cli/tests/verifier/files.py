"""Replay bundles made by hand, of events that a test chooses, in a tree with a key of the test's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amas_cli.audit_trail.document import VERSION
from amas_cli.audit_trail.replay_bundle import write_replay_bundle
from amas_governance.canonical import canonical_json, digest, digest_bytes

from ..audit_trail.exports import Key, leaf, make_entry, tree_hash

ROLE = {"kind": "AgentRole", "metadata": {"name": "writer"}, "spec": {"version": "1"}}
POLICIES = {"modules": {}, "wasm": ""}
DOCUMENT = canonical_json({"format": "amas.dev/bundle/v1", "policies": POLICIES, "resources": [ROLE]})
BUNDLE = digest_bytes(DOCUMENT)
ARGUMENTS = {"message": "docs: notes", "size": 1.5}
OTHER = "sha256:" + "0" * 64
Members = dict[str, Any]


def event(kind: str, time: str = "2026-11-23T10:00:00Z", **data: Any) -> Members:
    """An event of the run, its place in it left open."""
    common = {"bundle": BUNDLE, "role": "writer", "roleversion": "1", "step": "publish", "time": time}
    return {"type": f"dev.amas.{kind}", "data": data, **common}


def action() -> Members:
    """An action, named by its digest."""
    identity = {
        "arguments": ARGUMENTS,
        "role": "writer",
        "run": "run-1",
        "step": "publish",
        "tenant": "acme",
        "tool": "git/git_commit",
    }
    return {
        "tool": "git/git_commit",
        "digest": digest(identity),
        "argumentsDigest": digest(ARGUMENTS),
        "idempotencyKey": "run-1/publish/0/0",
    }


def approved_run() -> list[Members]:
    """A run in which an action waited for the manager, who agreed, and was then done."""
    proposed = action()
    requirement = {"from": ["managers"], "quorum": 1, "four_eyes": True, "escalate": []}
    answer = {"approver": "manager", "approved": True, "groups": ["managers"], "action_digest": proposed["digest"]}
    policy_input = {"action": {"arguments": ARGUMENTS}, "approval": {"id": "apr-1", "valid": True}}
    return [
        event("run.started"),
        event(
            "approval.requested",
            approval_id="apr-1",
            action_digest=proposed["digest"],
            requester="developer",
            application="app",
            requirement=requirement,
            expires_at="2026-11-23T11:00:00+00:00",
        ),
        event(
            "approval.decided",
            approval_id="apr-1",
            action_digest=proposed["digest"],
            approved_digest=proposed["digest"],
            state="approved",
            answers=[answer],
        ),
        event(
            "approval.used",
            approvalId="apr-1",
            actionDigest=proposed["digest"],
            idempotencyKey=proposed["idempotencyKey"],
            approvers=["manager"],
        ),
        event("action.intent", action=proposed, input=policy_input),
        event("run.ended"),
    ]


def lines(
    events: Sequence[Members], key: Key | None = None, *, contents: Sequence[list[Members]] = ()
) -> list[Members]:
    """Header, entries and footer of the export of these events; with `contents`, what is given of each."""
    key = key or Key()
    leaves = []
    for number, members in enumerate(events, start=1):
        whole = json.loads(leaf(number, members["type"])) | {"runsequence": number} | members
        leaves.append(canonical_json(whole))
    root = base64.b64encode(tree_hash(leaves)).decode()
    header = {
        "kind": "header",
        "format": "amas-audit-export",
        "version": VERSION,
        "origin": key.name,
        "tenant": "acme",
        "run": "run-1",
        "checkpoint": key.sign(f"{key.name}\n{len(leaves)}\n{root}\n"),
        "verifierKey": key.verifier,
    }
    entries = [make_entry(number, leaves) for number in range(len(leaves))]
    for entry, given in zip(entries, contents, strict=False):
        entry["contents"] = given
    return [header, *entries, {"kind": "footer", "entries": len(leaves), "treeSize": len(leaves)}]


def export_bytes(members: Sequence[Members]) -> bytes:
    """The lines as the format writes them."""
    return b"".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for one in members)


def replay_bundle(folder: Path, members: Sequence[Members], document: bytes = DOCUMENT, name: str = BUNDLE) -> Path:
    """The file of these lines and one bundle."""
    export = folder / "export.jsonl"
    export.write_bytes(export_bytes(members))
    write_replay_bundle(export, {name: document}, folder / "run.amas")
    return folder / "run.amas"
