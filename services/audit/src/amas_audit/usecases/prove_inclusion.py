"""Build an inclusion proof out of the tiles that it needs."""

from __future__ import annotations

from collections.abc import Sequence

from amas_audit.domain.merkle import inclusion_ranges, nodes_of, range_root
from amas_audit.domain.model import InclusionProof, SignedHead
from amas_audit.domain.tiles import node_in, tiles_of
from amas_audit.ports import LogReader


async def prove_inclusion(reader: LogReader, indexes: Sequence[int], head: SignedHead) -> list[InclusionProof]:
    """Proofs for leaves of the tree of `head`, in the order of `indexes`; their tiles are read once."""
    paths = [inclusion_ranges(index, head.size) for index in indexes]
    tiles = await reader.tiles(tiles_of(node for path in paths for node in nodes_of(path)))
    return [
        InclusionProof(
            index,
            head,
            tuple(range_root(start, end, lambda level, at: node_in(tiles, level, at)) for start, end in path),
        )
        for index, path in zip(indexes, paths, strict=True)
    ]
