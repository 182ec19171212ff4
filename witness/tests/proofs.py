"""Consistency proofs made by the words of RFC 6962, section 2.1.2, and bodies of requests."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from tests.tlogs import leaf_hash, root_of


def prove(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(old, D[leaves]); empty where there is nothing to prove."""
    if not 0 < old < len(leaves):
        return []
    return _subproof(old, [leaf_hash(entry) for entry in leaves], whole=True)


def _subproof(count: int, hashes: list[bytes], *, whole: bool) -> list[bytes]:
    if count == len(hashes):
        return [] if whole else [root_of(hashes)]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    if count <= split:
        return [*_subproof(count, hashes[:split], whole=whole), root_of(hashes[split:])]
    return [*_subproof(count - split, hashes[split:], whole=False), root_of(hashes[:split])]


def body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body of an add-checkpoint request."""
    lines = [f"old {old}", *(base64.b64encode(hashed).decode() for hashed in proof), ""]
    return ("\n".join(lines) + "\n" + note).encode()
