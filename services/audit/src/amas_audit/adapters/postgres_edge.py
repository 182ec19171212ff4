"""Reads the right edge of the stored log: its tree, and its entries that no index has yet."""

from __future__ import annotations

from amas_audit.adapters.postgres_pool import Connection
from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.facets import BLOCK, describe
from amas_audit.domain.leaf import decode
from amas_audit.domain.model import Described
from amas_audit.domain.tiles import TILE_HEIGHT, TILE_WIDTH, Edge

_LEAVES = 'SELECT leaf_hash AS hash FROM audit.entry WHERE "index" >= $1 AND "index" < $2 ORDER BY "index"'
_WAITING = 'SELECT leaf FROM audit.entry WHERE "index" >= $1 AND "index" < $2 ORDER BY "index"'
_ROOTS = """
SELECT root AS hash FROM audit.tile WHERE level = $1 AND position >= $2 AND position < $3 ORDER BY position
"""


async def read_row(connection: Connection, level: int, start: int, end: int) -> tuple[bytes, ...]:
    """Nodes [start, end) of a tile level, as far as they are there: leaves, or roots of the tiles below."""
    if level == 0:
        rows = await connection.fetch(_LEAVES, start, end)
    else:
        rows = await connection.fetch(_ROOTS, level - 1, start, end)
    return tuple(row["hash"] for row in rows)


async def load_edge(connection: Connection, size: int) -> Edge:
    """The edge of the stored tree of `size` leaves. LogDamagedError if rows of it are missing or too many."""
    partial: list[tuple[bytes, ...]] = []
    level, nodes = 0, size
    while nodes:
        start = nodes - nodes % TILE_WIDTH
        row = await read_row(connection, level, start, start + TILE_WIDTH)
        if len(row) != nodes - start:
            raise LogDamagedError(f"level {level} of the tree of {size} has {start + len(row)} nodes, not {nodes}")
        partial.append(row)
        level, nodes = level + 1, nodes >> TILE_HEIGHT
    return Edge(size, tuple(partial))


async def load_waiting(connection: Connection, size: int) -> tuple[Described, ...]:
    """The entries beyond the last full block of a log of `size` entries."""
    if size % BLOCK == 0:
        return ()
    rows = await connection.fetch(_WAITING, size - size % BLOCK, size)
    return tuple(describe(event, source) for event, source, _ in (decode(row["leaf"]) for row in rows))
