"""The tree by the definitions of RFC 9162, recursively and without shortcuts: what the fast code is held against."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH (section 2.1.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = split_of(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH (section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    split = split_of(len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), tree_hash(leaves[split:])]
    return [*path(index - split, leaves[split:]), tree_hash(leaves[:split])]


def consistency(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF (section 2.1.4.1)."""
    if old == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    split = split_of(len(leaves))
    if old <= split:
        return [*consistency(old, leaves[:split], whole=whole), tree_hash(leaves[split:])]
    return [*consistency(old - split, leaves[split:], whole=False), tree_hash(leaves[:split])]


def split_of(count: int) -> int:
    """The largest power of two smaller than `count`."""
    split = 1
    while split * 2 < count:
        split *= 2
    return split


def leaves_of(count: int) -> list[bytes]:
    """Leaves that all differ."""
    return [b"leaf %d" % number for number in range(count)]
