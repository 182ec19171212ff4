"""Inclusion proofs of RFC 9162, by the definition of PATH in section 2.1.3.1, read backwards.

Must never import the audit service: a mistake there must not be repeated here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_SIZE = 32
MAX_PROOF_HASHES = 63
"""A tree of 2^63 leaves, the most that an index can number, has proofs of this length."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf's bytes (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def proven_root(hashed: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root of a tree of `size` leaves in which `hashed` is leaf `index`, if `proof` is right.

    ValueError if there is no such leaf or the proof has not the length that the tree's shape asks for.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    turns = _turns(index, size)
    if len(turns) != len(proof):
        raise ValueError(f"the proof has {len(proof)} hashes where the tree asks for {len(turns)}")
    root = hashed
    for sibling_is_left, sibling in zip(reversed(turns), proof, strict=True):
        pair = sibling + root if sibling_is_left else root + sibling
        root = hashlib.sha256(b"\x01" + pair).digest()
    return root


def _turns(index: int, size: int) -> list[bool]:
    """From the root down to the leaf: whether what is left behind at each split is the left side."""
    turns = []
    while size > 1:
        left = 1
        while left * 2 < size:
            left *= 2
        if index < left:
            turns.append(False)
            size = left
        else:
            turns.append(True)
            index, size = index - left, size - left
    return turns
