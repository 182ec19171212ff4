from __future__ import annotations

import pytest
from amas_cli.audit_trail.merkle import leaf_hash, proven_root

from .exports import path, tree_hash


def test_every_proof_of_every_small_tree_leads_to_its_root() -> None:
    """The verifier agrees with the definition of the RFC for all shapes that a tree can have up to 40 leaves."""
    for size in range(1, 41):
        leaves = [bytes([number]) for number in range(size)]
        for index in range(size):
            assert proven_root(leaf_hash(leaves[index]), index, size, path(index, leaves)) == tree_hash(leaves)


def test_a_proof_of_another_place_leads_elsewhere() -> None:
    """A leaf cannot be passed off as standing at another index."""
    leaves = [bytes([number]) for number in range(16)]
    for index in range(16):
        for claimed in set(range(16)) - {index}:
            assert proven_root(leaf_hash(leaves[index]), claimed, 16, path(index, leaves)) != tree_hash(leaves)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (5, 4)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    """There is nothing to prove about a leaf that the tree does not have."""
    with pytest.raises(ValueError, match="no leaf"):
        proven_root(bytes(32), index, size, [])
