"""Compute the root of the first entries of the log, and prove that the signed tree grew out of them."""

from __future__ import annotations

from amas_audit.domain.errors import LogDamagedError
from amas_audit.domain.merkle import consistency_ranges, nodes_of, range_root, verify_consistency
from amas_audit.domain.model import SignedHead
from amas_audit.domain.tiles import node_in, tiles_of
from amas_audit.ports import LogReader


async def prefix_root(reader: LogReader, past: int, head: SignedHead) -> bytes:
    """The root of the first `past` entries. LogDamagedError unless the signed head is over these very entries."""
    ranges = [[(0, past)], consistency_ranges(past, head.size)]
    tiles = await reader.tiles(tiles_of(node for wanted in ranges for node in nodes_of(wanted)))

    def roots(wanted: list[tuple[int, int]]) -> list[bytes]:
        return [range_root(start, end, lambda level, at: node_in(tiles, level, at)) for start, end in wanted]

    root, proof = roots(ranges[0])[0], roots(ranges[1])
    if not verify_consistency(past, head.size, root, head.root, proof):
        raise LogDamagedError(f"the first {past} entries are not those of the signed tree of {head.size}")
    return root
