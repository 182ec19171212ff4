"""The tree cut into tiles of 256 hashes (C2SP tlog-tiles), so that a proof reads a few rows however tall the tree is.

Tile (level, position) holds 256 consecutive nodes of tree level 8 * level. Only full tiles are kept; the tiles at the
right edge are what has not filled up yet. Nothing here ever changes a full tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property

from amas_audit.domain.merkle import EMPTY_ROOT, HASH_SIZE, Node, fold_right, node_hash, pairs

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


class TileHashes(tuple[bytes, ...]):
    """The hashes of a tile, with the nodes above them made once: a tile that is kept costs a later proof no hash."""

    @classmethod
    def split(cls, content: bytes) -> TileHashes:
        """The hashes of a tile as it is stored and served: one after the other."""
        return cls(content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE))

    @cached_property
    def rows(self) -> tuple[tuple[bytes, ...], ...]:
        """Its rows of nodes, lowest first; a node that the hashes do not fill yet is in none."""
        found: list[tuple[bytes, ...]] = [self]
        while len(found[-1]) > 1:
            found.append(pairs(found[-1]))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: for each tile level the hashes that do not fill a tile yet, lowest level first."""

    size: int = 0
    partial: tuple[tuple[bytes, ...], ...] = field(default=())
    # Roots of the perfect subtrees that make up each row, left to right, so that a leaf more costs a hash or two and
    # not one for each hash of the row. They follow from `partial`.
    peaks: tuple[tuple[bytes, ...], ...] = field(init=False, repr=False, compare=False)
    known_peaks: InitVar[tuple[tuple[bytes, ...], ...] | None] = None

    def __post_init__(self, known_peaks: tuple[tuple[bytes, ...], ...] | None) -> None:
        """Find the peaks, unless whoever made the rows found them on the way."""
        peaks = tuple(_peaks(row) for row in self.partial) if known_peaks is None else known_peaks
        object.__setattr__(self, "peaks", peaks)

    def extended(self, leaf_hashes: Sequence[bytes]) -> tuple[Edge, list[Tile]]:
        """The edge after these leaves, and the tiles that they filled."""
        rows, peaks = [list(row) for row in self.partial], [list(row) for row in self.peaks]
        filled: list[Tile] = []
        added: list[bytes] = list(leaf_hashes)
        level = 0
        while added:
            if level == len(rows):
                rows.append([])
                peaks.append([])
            # Leaves before this row's first hash, in tiles of this level.
            position = (self.size >> (TILE_HEIGHT * level)) >> TILE_HEIGHT
            row, roots = rows[level], list[bytes]()
            for added_hash in added:
                _push(peaks[level], len(row), added_hash)
                row.append(added_hash)
                if len(row) == TILE_WIDTH:
                    roots.append(peaks[level].pop())
                    filled.append(Tile(level, position, tuple(row), roots[-1]))
                    row.clear()
                    position += 1
            added = roots
            level += 1
        return Edge(self.size + len(leaf_hashes), _frozen(rows), _frozen(peaks)), filled

    def root(self) -> bytes:
        """MTH of the whole tree (RFC 9162, section 2.1.1)."""
        peaks = [peak for row in reversed(self.peaks) for peak in row]
        return fold_right(peaks) if peaks else EMPTY_ROOT


def _frozen(rows: Iterable[Iterable[bytes]]) -> tuple[tuple[bytes, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _peaks(row: Sequence[bytes]) -> tuple[bytes, ...]:
    """The peaks of a row, from its hashes alone."""
    peaks: list[bytes] = []
    for count, added in enumerate(row):
        _push(peaks, count, added)
    return tuple(peaks)


def _push(peaks: list[bytes], count: int, added: bytes) -> None:
    """Add a hash to the peaks over `count` hashes: as in a binary counter, two of a height become one above."""
    while count & 1:
        added = node_hash(peaks.pop(), added)
        count >>= 1
    peaks.append(added)


def tile_of(node: Node) -> TileId:
    """The tile that a node is computed from."""
    level, position = node
    tile_level, inner = divmod(level, TILE_HEIGHT)
    return tile_level, (position << inner) >> TILE_HEIGHT


def tiles_of(nodes: Iterable[Node]) -> set[TileId]:
    """The tiles that these nodes are computed from."""
    return {tile_of(node) for node in nodes}


def node_in(tiles: Mapping[TileId, TileHashes], level: int, position: int) -> bytes:
    """Hash of a node, out of tiles that were fetched. KeyError or IndexError if they do not hold it."""
    tile = tiles[tile_of((level, position))]
    inner = level % TILE_HEIGHT
    at = position & ((TILE_WIDTH >> inner) - 1)
    if (at + 1) << inner > len(tile):
        raise IndexError(f"node {level}/{position} is beyond its tile")
    return tile.rows[inner][at]
