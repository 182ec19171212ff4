"""Exports made by hand: a tree hashed by the definition in RFC 9162, section 2.1.1, and a key of the test's own."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "amas.test/audit"


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH, recursively and without shortcuts."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = _split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH, recursively and without shortcuts."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), tree_hash(leaves[split:])]
    return [*path(index - split, leaves[split:]), tree_hash(leaves[:split])]


def _split(count: int) -> int:
    split = 1
    while split * 2 < count:
        split *= 2
    return split


@dataclass
class Key:
    """A log's key; `seed` makes another."""

    seed: int = 1
    name: str = ORIGIN
    private: Ed25519PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([self.seed]) * 32)

    @property
    def typed(self) -> bytes:
        return b"\x01" + self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.typed).digest()[:4]

    @property
    def verifier(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.typed).decode()}"

    def sign(self, body: str) -> str:
        signature = base64.b64encode(self.key_id + self.private.sign(body.encode())).decode()
        return f"{body}\n— {self.name} {signature}\n"


@dataclass
class Witness:
    """A witness's key, and its line under a note, by the words of C2SP tlog-cosignature."""

    seed: int = 50
    name: str = "witness.test/1"

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes([self.seed]) * 32)

    @property
    def typed(self) -> bytes:
        return b"\x04" + self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.typed).digest()[:4]

    @property
    def verifier(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.typed).decode()}"

    def line(self, note: str, *, at: int = 1_700_000_000) -> str:
        body = note.rpartition("\n\n")[0] + "\n"
        signature = self.private.sign(f"cosignature/v1\ntime {at}\n{body}".encode())
        return f"— {self.name} {base64.b64encode(self.key_id + struct.pack('>Q', at) + signature).decode()}\n"


def leaf(
    sequence: int, kind: str, *, run: str = "run-1", tenant: str = "acme", said: Sequence[Said] = (), **data: Any
) -> bytes:
    """A leaf as the log writes it."""
    contents = {"contents": {one.name: one.committed() for one in said}} if said else {}
    members = {
        **contents,
        "data": data,
        "datacontenttype": "application/json",
        "id": f"{run}/{sequence}",
        "runid": run,
        "runsequence": sequence,
        "source": "orchestrator",
        "specversion": "1.0",
        "tenant": tenant,
        "time": "2026-11-23T10:00:00Z",
        "type": kind,
    }
    return json.dumps(members, separators=(",", ":")).encode()


def run_types(count: int) -> list[str]:
    """Types of a whole run of `count` events."""
    return ["dev.amas.run.started", *["dev.amas.action.intent"] * (count - 2), "dev.amas.run.ended"]


@dataclass
class Export:
    """A document whose parts a test may change before it is written."""

    header: dict[str, Any]
    entries: list[dict[str, Any]]
    footer: dict[str, Any]
    leaves: list[bytes]

    def lines(self) -> list[bytes]:
        return [
            json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            for members in (self.header, *self.entries, self.footer)
        ]

    def write(self, target: Path) -> Path:
        target.write_bytes(b"".join(self.lines()))
        return target


@dataclass(frozen=True)
class Said:
    """A content, committed to by the definition in docs/audit-events.md, without the program's own code."""

    name: str
    data: bytes
    salt: bytes = bytes(range(32))
    media_type: str = "application/json"

    def committed(self) -> dict[str, Any]:
        parts = (b"amas.audit.content.v1", self.salt, self.media_type.encode(), self.data)
        text = b"".join(struct.pack(">Q", len(part)) + part for part in parts)
        return {
            "commitment": base64.b64encode(hashlib.sha256(text).digest()).decode(),
            "key": "0" * 32,
            "mediatype": self.media_type,
            "retention": "standard",
            "size": len(self.data),
        }

    def given(self) -> dict[str, str]:
        return {
            "name": self.name,
            "salt": base64.b64encode(self.salt).decode(),
            "data": base64.b64encode(self.data).decode(),
        }


def make_export(
    types: Sequence[str],
    *,
    key: Key | None = None,
    run: str = "run-1",
    tenant: str = "acme",
    said: Sequence[Said] = (),
) -> Export:
    """A genuine export of a run whose entries stand between those of another run."""
    key = key or Key()
    leaves: list[bytes] = []
    indexes: list[int] = []
    for sequence, kind in enumerate(types, start=1):
        leaves.append(leaf(sequence, kind, run="another", tenant="other"))
        indexes.append(len(leaves))
        leaves.append(leaf(sequence, kind, run=run, tenant=tenant, said=said, tool="git/git_log"))
    root = base64.b64encode(tree_hash(leaves)).decode()
    return Export(
        header={
            "kind": "header",
            "format": "amas-audit-export",
            "version": 2,
            "origin": key.name,
            "tenant": tenant,
            "run": run,
            "checkpoint": key.sign(f"{key.name}\n{len(leaves)}\n{root}\n"),
            "verifierKey": key.verifier,
        },
        entries=[make_entry(index, leaves, [one.given() for one in said]) for index in indexes],
        footer={"kind": "footer", "entries": len(indexes), "treeSize": len(leaves)},
        leaves=leaves,
    )


def make_entry(index: int, leaves: Sequence[bytes], contents: Sequence[dict[str, str]] | None = None) -> dict[str, Any]:
    """A line of a leaf with its proof and its contents."""
    return {
        "kind": "entry",
        "index": index,
        "leaf": leaves[index].decode(),
        "proof": [base64.b64encode(hashed).decode() for hashed in path(index, leaves)],
        "contents": contents or [],
    }
