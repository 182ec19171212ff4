"""The tree cut into tiles of 256 hashes (C2SP tlog-tiles), so that a proof reads a few rows however tall the tree is.

Tile (level, position) holds 256 consecutive nodes of tree level 8 * level. Only full tiles are kept; the tiles at the
right edge are what has not filled up yet. Nothing here ever changes a full tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from amas_audit.domain.merkle import EMPTY_ROOT, Node, fold_right, perfect_root, range_nodes

# Fixed by C2SP tlog-tiles.
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

TileId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tile:
    """A full tile. `root` is the node of the next tile level that it stands for."""

    level: int
    position: int
    hashes: tuple[bytes, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: for each tile level the hashes that do not fill a tile yet, lowest level first."""

    size: int = 0
    partial: tuple[tuple[bytes, ...], ...] = field(default=())

    def extended(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, list[Tile]]:
        """The edge after these leaves, and the tiles that they filled."""
        rows = [list(row) for row in self.partial]
        filled: list[Tile] = []
        added: list[bytes] = list(leaf_hashes)
        level = 0
        while added:
            if level == len(rows):
                rows.append([])
            row = rows[level]
            # Leaves before this row's first hash, in tiles of this level.
            position = (self.size >> (TILE_HEIGHT * level)) >> TILE_HEIGHT
            row.extend(added)
            added = []
            while len(row) >= TILE_WIDTH:
                hashes = tuple(row[:TILE_WIDTH])
                del row[:TILE_WIDTH]
                tile = Tile(level, position, hashes, perfect_root(hashes))
                filled.append(tile)
                added.append(tile.root)
                position += 1
            level += 1
        return Edge(self.size + len(leaf_hashes), tuple(tuple(row) for row in rows)), filled

    def root(self) -> bytes:
        """MTH of the whole tree (RFC 9162, section 2.1.1)."""
        peaks: list[bytes] = []
        for row in reversed(self.partial):
            start = 0
            for level, position in range_nodes(0, len(row)):
                start = position << level
                peaks.append(perfect_root(row[start : start + (1 << level)]))
        return fold_right(peaks) if peaks else EMPTY_ROOT


def tile_of(node: Node) -> TileId:
    """The tile that a node is computed from."""
    level, position = node
    tile_level, inner = divmod(level, TILE_HEIGHT)
    return tile_level, (position << inner) >> TILE_HEIGHT


def tiles_of(nodes: Iterable[Node]) -> set[TileId]:
    """The tiles that these nodes are computed from."""
    return {tile_of(node) for node in nodes}


def node_in(tiles: Mapping[TileId, Sequence[bytes]], level: int, position: int) -> bytes:
    """Hash of a node, out of tiles that were fetched. KeyError or IndexError if they do not hold it."""
    hashes = tiles[tile_of((level, position))]
    inner = level % TILE_HEIGHT
    start = (position << inner) & (TILE_WIDTH - 1)
    width = 1 << inner
    if start + width > len(hashes):
        raise IndexError(f"node {level}/{position} is beyond its tile")
    return perfect_root(hashes[start : start + width])
