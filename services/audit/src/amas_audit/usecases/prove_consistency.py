"""Build a consistency proof out of the tiles that it needs (RFC 9162, section 2.1.4.1)."""

from __future__ import annotations

from amas_audit.domain.merkle import consistency_ranges, nodes_of, range_root
from amas_audit.domain.tiles import node_in, tiles_of
from amas_audit.ports import LogReader


async def prove_consistency(reader: LogReader, old: int, new: int) -> list[bytes]:
    """That the tree of `old` leaves is the beginning of that of `new`; empty where there is nothing to prove."""
    if old in (0, new):
        return []
    ranges = consistency_ranges(old, new)
    tiles = await reader.tiles(tiles_of(nodes_of(ranges)))
    return [range_root(start, end, lambda level, at: node_in(tiles, level, at)) for start, end in ranges]
