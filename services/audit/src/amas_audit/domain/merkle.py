"""RFC 9162 tree hashing and proofs, over subtrees that a caller can look up, so that nothing needs the whole tree.

Node (level, position) is the root of the perfect subtree over leaves [position << level, (position + 1) << level).
It must never read or keep anything: callers ask `*_nodes` what to fetch, fetch it, and hand over a `read`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = tuple[int, int]
Range = tuple[int, int]
ReadNode = Callable[[int, int], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf's bytes (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def pairs(row: Sequence[bytes]) -> tuple[bytes, ...]:
    """The nodes above a row: one for each two of it from the left; one that is over says nothing yet."""
    sha256 = hashlib.sha256
    # `node_hash`, written out: a tile takes hundreds of these, and the call costs as much as the hash.
    return tuple(sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False))


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Root over a power of two of sibling hashes. ValueError if they are not as many."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise ValueError(f"{len(hashes)} hashes are no power of two")
    row = hashes
    while len(row) > 1:
        row = pairs(row)
    return row[0]


def fold_right(hashes: Sequence[bytes]) -> bytes:
    """Root of a tree from the roots of its perfect subtrees, left to right."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def range_nodes(start: int, end: int) -> list[Node]:
    """The perfect subtrees that make up [start, end), left to right. `start` is aligned as RFC 9162 splits are."""
    nodes: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def range_root(start: int, end: int, read: ReadNode) -> bytes:
    """MTH(D[start:end]); the hash of nothing for an empty tree."""
    if start == end:
        return EMPTY_ROOT
    return fold_right([read(level, position) for level, position in range_nodes(start, end)])


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Leaf ranges whose roots prove leaf `index` in a tree of `size`, leaf to root (RFC 9162, section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _largest_power_below(end - start)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    ranges.reverse()
    return ranges


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Leaf ranges whose roots prove that a tree of `old` is a prefix of one of `new` (RFC 9162, section 2.1.4.1)."""
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof leads from {old} to {new}")
    ranges: list[Range] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + _largest_power_below(end - start)
        if old <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start, whole = split, False
    if not whole:
        ranges.append((start, end))
    ranges.reverse()
    return ranges


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Root that a proof for a leaf hash leads to (RFC 9162, section 2.1.3.2). ValueError if it cannot be a proof."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    position, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if position & 1 or position == last:
            root = node_hash(sibling, root)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ValueError("the proof is too short")
    return root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the old tree to be a prefix of the new one (RFC 9162, section 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    first, second = old - 1, new - 1
    while first & 1:
        first >>= 1
        second >>= 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not first & 1 and first:
                first >>= 1
                second >>= 1
        else:
            from_new = node_hash(from_new, sibling)
        first >>= 1
        second >>= 1
    return second == 0 and from_old == old_root and from_new == new_root


def nodes_of(ranges: Sequence[Range]) -> Iterator[Node]:
    """Every node that the roots of these ranges need."""
    for start, end in ranges:
        yield from range_nodes(start, end)


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)
