"""Logs as folders of tiles, laid out and signed by the words of the specifications, and ways to tamper with them.

Nothing here comes from the service or from the verifier, since both are judged by it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "amas.internal/audit"


class LogKey:
    """A key of a log, from a seed or as it is."""

    def __init__(self, seed: int = 0, name: str = ORIGIN, private: Ed25519PrivateKey | None = None) -> None:
        self.name = name
        self.private = private or Ed25519PrivateKey.from_private_bytes(bytes((seed + at) % 256 for at in range(32)))
        self._typed = b"\x01" + self.private.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + self._typed).digest()[:4]

    @property
    def verifier(self) -> str:
        return f"{self.name}+{self._id.hex()}+{base64.b64encode(self._typed).decode()}"

    def line(self, body: str) -> str:
        """The signature line over a body."""
        signed = base64.b64encode(self._id + self.private.sign(body.encode())).decode()
        return f"— {self.name} {signed}\n"


def leaf(number: int, *, tenant: str = "acme", run: str = "run-1", sequence: int | None = None, pad: int = 0) -> bytes:
    """An event's canonical JSON."""
    members = {
        "data": {"note": "x" * pad, "tool": "git/git_log"},
        "datacontenttype": "application/json",
        "id": f"event-{number}",
        "runid": run,
        "runsequence": number + 1 if sequence is None else sequence,
        "source": "policy-sidecar",
        "specversion": "1.0",
        "tenant": tenant,
        "time": "2026-11-23T10:00:00Z",
        "type": "dev.amas.action.intent",
    }
    return json.dumps(members, separators=(",", ":")).encode()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """MTH by its definition (RFC 9162, section 2.1.1), over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root_of(hashes[:split]) + root_of(hashes[split:])).digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def checkpoint(leaves: Sequence[bytes], *keys: LogKey, origin: str = ORIGIN) -> str:
    """The signed head over these leaves."""
    root = base64.b64encode(root_of([leaf_hash(entry) for entry in leaves])).decode()
    body = f"{origin}\n{len(leaves)}\n{root}\n"
    return body + "\n" + "".join(key.line(body) for key in keys)


def bundle_of(leaves: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in leaves)


def leaves_of(bundle: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(bundle):
        (length,) = struct.unpack(">H", bundle[at : at + 2])
        found.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def lay_out(folder: Path, leaves: Sequence[bytes], *keys: LogKey, sign: bool = True) -> Path:
    """Write a log's parts; without `sign` the checkpoint that is there stays."""
    for position in range(0, len(leaves), 256):
        _write(folder / "tile" / "entries", position // 256, bundle_of(leaves[position : position + 256]), leaves)
    row = [leaf_hash(entry) for entry in leaves]
    level = 0
    while row:
        for position in range(0, len(row), 256):
            _write(folder / "tile" / str(level), position // 256, b"".join(row[position : position + 256]), row)
        row = [root_of(row[at : at + 256]) for at in range(0, len(row) - len(row) % 256, 256)]
        level += 1
    if sign:
        (folder / "checkpoint").write_text(checkpoint(leaves, *keys))
    return folder


def _write(folder: Path, position: int, content: bytes, row: Sequence[bytes]) -> None:
    width = min(256, len(row) - position * 256)
    assert position < 1000
    target = folder / (f"{position:03d}" if width == 256 else f"{position:03d}.p/{width}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def entries_in(folder: Path) -> list[bytes]:
    """The entries that the checkpoint of a folder covers."""
    size = int((folder / "checkpoint").read_text().split("\n")[1])
    names = [f"{position:03d}" for position in range(size // 256)]
    names += [f"{size // 256:03d}.p/{size % 256}"] if size % 256 else []
    return [entry for name in names for entry in leaves_of((folder / "tile" / "entries" / name).read_bytes())]


Tamper = Callable[[Path], None]


def flip(path: str, at: int = -1) -> Tamper:
    """Change one bit of a byte of a file."""

    def change(folder: Path) -> None:
        content = bytearray((folder / path).read_bytes())
        content[at] ^= 1
        (folder / path).write_bytes(content)

    return change


def in_bundle(path: str, change: Callable[[list[bytes]], object]) -> Tamper:
    """Change the entries of a bundle, and nothing else."""

    def rewrite(folder: Path) -> None:
        leaves = leaves_of((folder / path).read_bytes())
        change(leaves)
        (folder / path).write_bytes(bundle_of(leaves))

    return rewrite


def everywhere(change: Callable[[list[bytes]], object]) -> Tamper:
    """Change entries and lay the whole tree out anew to fit, as somebody would who has all but the key."""

    def rewrite(folder: Path) -> None:
        leaves = entries_in(folder)
        change(leaves)
        lay_out(folder, leaves, sign=False)

    return rewrite


def remove(*paths: str) -> Tamper:
    """Take files away."""

    def change(folder: Path) -> None:
        for path in paths:
            (folder / path).unlink()

    return change


def sign_with(key: LogKey) -> Tamper:
    """Replace the signature by another key's over the same body."""

    def change(folder: Path) -> None:
        body = (folder / "checkpoint").read_text().rpartition("\n\n")[0] + "\n"
        (folder / "checkpoint").write_text(body + "\n" + key.line(body))

    return change


def swap(leaves: list[bytes]) -> None:
    leaves[3], leaves[4] = leaves[4], leaves[3]


def tamperings(size: int) -> dict[str, Tamper]:
    """Every kind of tampering, by name, for a log of `size` entries (more than 256, no multiple of it)."""
    last, width = size // 256, size % 256
    first_bundle, last_bundle = "tile/entries/000", f"tile/entries/{last:03d}.p/{width}"
    last_tile = f"tile/0/{last:03d}.p/{width}"
    top = f"tile/1/000.p/{last}"
    made = leaf(10**6)
    return {
        "flip: checkpoint's size": flip("checkpoint", len(ORIGIN) + 1),
        "flip: checkpoint's root": flip("checkpoint", len(ORIGIN) + len(str(size)) + 8),
        "flip: checkpoint's signature": flip("checkpoint", -10),
        "flip: full bundle": flip(first_bundle, 1000),
        "flip: length in a bundle": flip(first_bundle, 1),
        "flip: partial bundle": flip(last_bundle),
        "flip: full tile": flip("tile/0/000", 4000),
        "flip: partial tile": flip(last_tile),
        "flip: upper tile": flip(top),
        "dropped entry": in_bundle(first_bundle, lambda leaves: leaves.pop(7)),
        "doubled entry": in_bundle(first_bundle, lambda leaves: leaves.insert(7, leaves[7])),
        "swapped entries": in_bundle(first_bundle, swap),
        "inserted entry": in_bundle(first_bundle, lambda leaves: leaves.insert(9, made)),
        "entry added at the end": in_bundle(last_bundle, lambda leaves: leaves.append(made)),
        "last entry dropped": in_bundle(last_bundle, lambda leaves: leaves.pop()),
        "dropped entry, tree laid out anew": everywhere(lambda leaves: leaves.pop(7)),
        "doubled entry, tree laid out anew": everywhere(lambda leaves: leaves.insert(7, leaves[7])),
        "swapped entries, tree laid out anew": everywhere(swap),
        "inserted entry, tree laid out anew": everywhere(lambda leaves: leaves.insert(9, made)),
        "truncated: last bundle": remove(last_bundle),
        "truncated: last parts": remove(last_bundle, last_tile),
        "missing tile": remove("tile/0/000"),
        "missing upper tile": remove(top),
        "missing checkpoint": remove("checkpoint"),
        "forged signature": sign_with(LogKey(99)),
    }
