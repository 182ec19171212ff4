from __future__ import annotations

from functools import lru_cache

import pytest
from amas_audit.domain.merkle import inclusion_ranges, leaf_hash, nodes_of, range_root, root_from_inclusion
from amas_audit.domain.tiles import Edge, Tile, TileHashes, node_in, tiles_of
from hypothesis import given, settings
from hypothesis import strategies as st

from .trees import leaves_of, tree_hash

# More than one tile of the second level would take 16 million leaves; 70,000 fill 273 tiles and one of level 1.
SIZE = 70_000
TWO_LEVELS = 256 * 256


@lru_cache(maxsize=1)
def hashes() -> list[bytes]:
    return [leaf_hash(leaf) for leaf in leaves_of(SIZE)]


@given(st.lists(st.integers(0, 400), max_size=6))
@settings(deadline=None)
def test_the_edge_has_the_root_of_the_whole_tree(batches: list[int]) -> None:
    """However the leaves came in, the root is that of the definition."""
    edge, size = Edge(), 0
    for batch in batches:
        edge, _ = edge.extended(hashes()[size : size + batch])
        size += batch
    assert edge.size == size
    assert edge.root() == tree_hash(leaves_of(size))
    # What is kept on the way is what the rows alone lead to, as a process finds it that reads them anew.
    assert Edge(edge.size, edge.partial).peaks == edge.peaks


def test_tiles_fill_in_order_and_once() -> None:
    """Each full tile appears exactly once, with the hashes and the position that C2SP tlog-tiles gives it."""
    edge, tiles = Edge(), {}
    for start in range(0, SIZE, 997):
        edge, filled = edge.extended(hashes()[start : start + 997])
        for tile in filled:
            assert (tile.level, tile.position) not in tiles
            tiles[tile.level, tile.position] = tile
    assert set(tiles) == {(0, position) for position in range(SIZE // 256)} | {(1, 0)}
    assert tiles[0, 3].hashes == tuple(hashes()[768:1024])
    assert tiles[1, 0].hashes == tuple(tiles[0, position].root for position in range(256))


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 65_535, TWO_LEVELS, TWO_LEVELS + 1, SIZE])
def test_proofs_out_of_tiles_lead_to_the_root(size: int) -> None:
    """A proof reads a tile a level, at every edge of a tile and of a level."""
    edge, filled = Edge().extended(hashes()[:size])
    tiles = _all_tiles(edge, filled)
    for index in {0, size // 2, size - 1, min(255, size - 1), min(256, size - 1)}:
        ranges = inclusion_ranges(index, size)
        wanted = tiles_of(nodes_of(ranges))
        assert len(wanted) <= 2 * 3
        proof = [range_root(start, end, lambda level, at: node_in(tiles, level, at)) for start, end in ranges]
        assert root_from_inclusion(hashes()[index], index, size, proof) == edge.root()


def test_a_node_beyond_a_tile_is_refused() -> None:
    """A tile that is not as full as it should be gives no wrong hash."""
    with pytest.raises(IndexError):
        node_in({(0, 0): TileHashes(hashes()[:3])}, 1, 1)


def _all_tiles(edge: Edge, filled: list[Tile]) -> dict[tuple[int, int], TileHashes]:
    tiles = {(tile.level, tile.position): TileHashes(tile.hashes) for tile in filled}
    for level, row in enumerate(edge.partial):
        tiles[level, edge.size >> (8 * level) >> 8] = TileHashes(row)
    return tiles
