"""The tree of a log, built entry by entry: RFC 9162 hashing, written for speed.

It keeps the right edge alone, so that a log of any size needs little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
_sha256 = hashlib.sha256


def leaf_hashes(leaves: Sequence[bytes]) -> list[bytes]:
    """Hash of each leaf (RFC 9162, section 2.1.1)."""
    return [_sha256(b"\0" + leaf).digest() for leaf in leaves]


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """MTH over hashes of perfect subtrees of one height, in any number (RFC 9162, section 2.1.1).

    Pairs are hashed row by row; a hash that is left over at the end of a row goes up as it is, which is the same split.
    """
    row = list(hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        above = [_sha256(b"\1" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)]
        if len(row) & 1:
            above.append(row[-1])
        row = above
    return row[0]


def edge_root(rows: Sequence[Sequence[bytes]]) -> bytes:
    """MTH of a tree from what is in its unfilled tiles, lowest level first."""
    # An unfilled tile goes, as one hash, to the right of what stands above it.
    carried: list[bytes] = []
    for row in rows:
        whole = [*row, *carried]
        carried = [tree_root(whole)] if whole else []
    return carried[0] if carried else EMPTY_ROOT
