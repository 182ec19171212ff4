"""How long a proof takes to make, from a log of ten thousand entries to one of ten million.

The tree is the service's own, grown by whole tiles of generated hashes: ten million appends would measure appends. Rows
of entries are not made, so that the look whether an entry is the tenant's finds none.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from amas_audit.adapters.postgres_pool import Pool
from amas_audit.domain.checkpoint import Checkpoint
from amas_audit.domain.merkle import nodes_of, perfect_root, range_root, root_from_inclusion
from amas_audit.domain.tiles import TILE_WIDTH, node_in, tiles_of
from amas_audit.usecases.prove_inclusion import prove_inclusion

from ..report import Row, percentile
from .stage import ORIGIN, Stage

# Whole tiles, so that no row of an entry is at the edge.
SIZES = tuple(tiles * TILE_WIDTH for tiles in (40, 400, 3_907, 39_063))
QUICK_SIZES = SIZES[:2]
PROOFS, QUICK_PROOFS = 2_000, 100
SEED = 6
_INSERT = "INSERT INTO audit.checkpoint (size, key_id, root, note) VALUES ($1, $2, $3, $4)"
_COLUMNS = ("level", "position", "root", "hashes")
# Tiles of one COPY, 8 KB each.
COPIED = 1_000
TileRow = tuple[int, int, bytes, bytes]


@dataclass
class _Tree:
    """A tree that grows by tiles of random hashes: rows not filled yet by level, and how many tiles each level has."""

    noise: random.Random
    rows: list[list[bytes]] = field(default_factory=list)
    tiles: list[int] = field(default_factory=list)

    def grow(self, tiles: int) -> Iterator[TileRow]:
        """The tiles that so many more tiles of leaves make."""
        for _ in range(tiles):
            yield from self._filled(0, [self.noise.randbytes(32) for _ in range(TILE_WIDTH)])

    def _filled(self, level: int, hashes: list[bytes]) -> Iterator[TileRow]:
        while len(self.tiles) <= level + 1:
            self.tiles.append(0)
            self.rows.append([])
        root = perfect_root(hashes)
        yield level, self.tiles[level], root, b"".join(hashes)
        self.tiles[level] += 1
        above = self.rows[level + 1]
        above.append(root)
        if len(above) == TILE_WIDTH:
            self.rows[level + 1] = []
            yield from self._filled(level + 1, above)


async def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Milliseconds of a proof for entries at random, at each size, and how flat it is."""
    tree, noise = _Tree(random.Random(SEED)), random.Random(SEED)  # noqa: S311 - a workload, no secret
    found: list[Row] = []
    medians: list[float] = []
    grown = 0
    for size in QUICK_SIZES if quick else SIZES:
        await _grow(stage.pool, tree, (size - grown) // TILE_WIDTH)
        grown = size
        await _sign(stage, size)
        taken = [await _prove(stage, noise.randrange(size)) for _ in range(QUICK_PROOFS if quick else PROOFS)]
        medians.append(percentile(taken, 0.5))
        found.append(Row(f"a proof of {size:,} entries, p50", medians[-1], "ms", aim="<= 2"))
        found.append(Row(f"a proof of {size:,} entries, p99", percentile(taken, 0.99), "ms"))
    ratio = medians[-1] / medians[0]
    found.append(Row("the same, the largest log", medians[-1], "ms", "the smallest log", ratio=ratio, aim="<= 1.5"))
    return found


async def _grow(pool: Pool, tree: _Tree, tiles: int) -> None:
    waiting: list[TileRow] = []

    async def copy() -> None:
        await pool.copy_records_to_table("tile", schema_name="audit", columns=_COLUMNS, records=waiting)
        waiting.clear()

    for row in tree.grow(tiles):
        waiting.append(row)
        if len(waiting) >= COPIED:
            await copy()
    await copy()


async def _sign(stage: Stage, size: int) -> None:
    tiles = await stage.wired.reader.tiles(tiles_of(nodes_of([(0, size)])))
    root = range_root(0, size, lambda level, at: node_in(tiles, level, at))
    note = stage.signer.sign(Checkpoint(ORIGIN, size, root).body())
    await stage.pool.execute(_INSERT, size, stage.signer.verifier.key_id, root, note)


async def _prove(stage: Stage, index: int) -> float:
    """Milliseconds of what `GetProof` does; that the proof holds is looked at afterwards."""
    reader = stage.wired.reader
    begun = time.perf_counter()
    await reader.holds("acme", index)
    head = await reader.head()
    assert head is not None
    [proof] = await prove_inclusion(reader, [index], head)
    taken = (time.perf_counter() - begun) * 1000
    tile = (0, index // TILE_WIDTH)
    leaf = (await reader.tiles([tile]))[tile][index % TILE_WIDTH]
    assert root_from_inclusion(leaf, index, head.size, proof.hashes) == head.root
    return taken
