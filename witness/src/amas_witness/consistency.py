"""Consistency proofs of RFC 6962, section 2.1.2, read by the definition of SUBPROOF."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence


def continues(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the tree of `old` leaves to be the beginning of that of `new`. 0 < old < new."""
    hashes = iter(proof)
    try:
        from_old, from_new = _roots(old, new, hashes, old_root)
    except StopIteration:
        return False
    return next(hashes, None) is None and from_old == old_root and from_new == new_root


def _roots(count: int, size: int, proof: Iterator[bytes], whole: bytes | None) -> tuple[bytes, bytes]:
    """Roots of the first `count` of `size` leaves, and of all, out of the next hashes of the proof.

    `whole` is the older root while these leaves are the first of the tree: then it need not be in the proof.
    """
    if count == size:
        root = whole if whole is not None else next(proof)
        return root, root
    split = 1 << ((size - 1).bit_length() - 1)
    if count <= split:
        old, new = _roots(count, split, proof, whole)
        return old, _node(new, next(proof))
    old, new = _roots(count - split, size - split, proof, None)
    left = next(proof)
    return _node(left, old), _node(left, new)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
