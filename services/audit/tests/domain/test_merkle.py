from __future__ import annotations

from collections.abc import Sequence

import pytest
from amas_audit.domain.merkle import (
    EMPTY_ROOT,
    ReadNode,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    range_root,
    root_from_inclusion,
    verify_consistency,
)
from hypothesis import given
from hypothesis import strategies as st

from .trees import consistency, leaves_of, path, tree_hash

# The reference vectors of Certificate Transparency (RFC 6962 and 9162 hash alike), as in its implementations' tests.
VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def reader(leaves: Sequence[bytes]) -> ReadNode:
    """Looks perfect subtrees up the slow way."""
    return lambda level, position: tree_hash(leaves[position << level : (position + 1) << level])


@st.composite
def tree_and_index(draw: st.DrawFn) -> tuple[list[bytes], int]:
    size = draw(st.integers(1, 70))
    return leaves_of(size), draw(st.integers(0, size - 1))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_known_vectors(size: int) -> None:
    """Any other implementation of the RFC computes the same roots."""
    assert range_root(0, size, reader(VECTOR_LEAVES)).hex() == VECTOR_ROOTS[size - 1]
    assert tree_hash(VECTOR_LEAVES[:size]).hex() == VECTOR_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """RFC 9162, section 2.1.1."""
    assert range_root(0, 0, reader([])) == EMPTY_ROOT == tree_hash([])


@given(tree_and_index())
def test_inclusion_proofs_are_those_of_the_definition(case: tuple[list[bytes], int]) -> None:
    """A proof out of subtrees is the one that the RFC defines, and leads from its leaf to the root."""
    leaves, index = case
    proof = [range_root(start, end, reader(leaves)) for start, end in inclusion_ranges(index, len(leaves))]
    assert proof == path(index, leaves)
    assert root_from_inclusion(leaf_hash(leaves[index]), index, len(leaves), proof) == tree_hash(leaves)


@given(tree_and_index(), st.data())
def test_a_changed_inclusion_proof_leads_elsewhere(case: tuple[list[bytes], int], data: st.DataObject) -> None:
    """No changed proof, and no proof for another leaf, leads to the same root."""
    leaves, index = case
    proof = path(index, leaves)
    assert root_from_inclusion(leaf_hash(b"other"), index, len(leaves), proof) != tree_hash(leaves)
    if proof:
        position = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:position], bytes(32), *proof[position + 1 :]]
        assert root_from_inclusion(leaf_hash(leaves[index]), index, len(leaves), changed) != tree_hash(leaves)
        with pytest.raises(ValueError, match="too short"):
            root_from_inclusion(leaf_hash(leaves[index]), index, len(leaves), proof[:-1])
    with pytest.raises(ValueError, match="too long"):
        root_from_inclusion(leaf_hash(leaves[index]), index, len(leaves), [*proof, bytes(32)])


@given(tree_and_index())
def test_consistency_proofs_are_those_of_the_definition(case: tuple[list[bytes], int]) -> None:
    """A tree is shown to extend an older one exactly as the RFC defines."""
    leaves, index = case
    old, new = index + 1, len(leaves)
    proof = [range_root(start, end, reader(leaves)) for start, end in consistency_ranges(old, new)]
    assert proof == consistency(old, leaves)
    assert verify_consistency(old, new, tree_hash(leaves[:old]), tree_hash(leaves), proof)


@given(tree_and_index())
def test_a_fork_has_no_consistency_proof(case: tuple[list[bytes], int]) -> None:
    """A tree that says something else about the past is not accepted as an extension."""
    leaves, index = case
    old, new = index + 1, len(leaves)
    fork = [b"other", *leaves[1:]]
    proof = consistency(old, leaves)
    assert not verify_consistency(old, new, tree_hash(fork[:old]), tree_hash(leaves), proof)
    assert not verify_consistency(old, new, tree_hash(leaves[:old]), tree_hash(fork), proof)
    assert not verify_consistency(old, new, tree_hash(leaves[:old]), tree_hash(leaves), [*proof, bytes(32)])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_a_leaf_outside_the_tree(index: int, size: int) -> None:
    """Nonsense is refused instead of proven."""
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_ranges(index, size)
    with pytest.raises(ValueError, match="not in a tree"):
        root_from_inclusion(bytes(32), index, size, [])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_consistency_from_nothing_or_backwards(old: int, new: int) -> None:
    """RFC 9162, section 2.1.4: 0 < m <= n."""
    with pytest.raises(ValueError, match="no consistency proof"):
        consistency_ranges(old, new)
    assert not verify_consistency(old, new, bytes(32), bytes(32), [])
