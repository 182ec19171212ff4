"""Reads heads and tiles, and entries by their search. Every question about entries names the tenant."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping

from amas_audit.adapters.entry_search import EntrySearch
from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.model import EventFilter, Page, SignedHead
from amas_audit.domain.tiles import TILE_WIDTH, TileHashes, TileId

# Full tiles of a level in memory (about 35 KB each with the nodes above); they never change, so none is ever stale.
# Those of upper levels stand for so many entries (16 million) that proofs find theirs again.
MAX_KEPT_TILES = 256

# Also of an entry that was dropped: every entry of a full block has its bit in its tenant's facet of all.
_HOLDS = """
SELECT EXISTS (SELECT FROM audit.entry WHERE "index" = $1 AND tenant = $2) OR EXISTS (
  SELECT FROM audit.facet WHERE tenant = $2 AND facet = '' AND block = $1 / 256
    AND get_bit(bits, ($1 % 256)::int) = 1
)
"""
_HEAD = """
SELECT size, root, note FROM audit.checkpoint WHERE $1::bigint IS NULL OR size = $1
ORDER BY size DESC, (key_id = $2) DESC LIMIT 1
"""
# What is no tile yet is at the right edge: leaves, or roots of the tiles below, as far as they are there.
_TILES = """
SELECT q.level, q.position, t.hashes IS NOT NULL AS full, coalesce(
    t.hashes,
    CASE WHEN q.level = 0 THEN (
        SELECT string_agg(e.leaf_hash, '' ORDER BY e."index") FROM audit.entry e
        WHERE e."index" >= q.position * $3::bigint AND e."index" < (q.position + 1) * $3::bigint
    ) ELSE (
        SELECT string_agg(b.root, '' ORDER BY b.position) FROM audit.tile b
        WHERE b.level = q.level - 1 AND b.position >= q.position * $3::bigint
          AND b.position < (q.position + 1) * $3::bigint
    ) END, '') AS hashes
FROM unnest($1::smallint[], $2::bigint[]) AS q (level, position)
LEFT JOIN audit.tile t ON t.level = q.level AND t.position = q.position
"""


class PostgresReader:
    """Answers out of committed rows."""

    def __init__(self, pool: Pool, *, key_id: Callable[[], bytes]) -> None:
        self._pool = pool
        self._search = EntrySearch(pool)
        self._key_id = key_id
        self._kept: dict[int, OrderedDict[int, TileHashes]] = defaultdict(OrderedDict)
        # The right edge as it was seen last, by level: as long as its bytes are the same, so are the nodes above them.
        self._edge: dict[int, tuple[bytes, TileHashes]] = {}

    async def entries(self, wanted: EventFilter, *, start: int, end: int | None, limit: int, max_bytes: int) -> Page:
        """Entries of one tenant with start <= index < end, in their order, within the bounds (but at least one)."""
        return await self._search.entries(wanted, start=start, end=end, limit=limit, max_bytes=max_bytes)

    async def holds(self, tenant: str, index: int) -> bool:
        """Whether the entry at `index` is in the log, archived or not, and the tenant's."""
        with unavailable_when_away():
            return bool(await self._pool.fetchval(_HOLDS, index, tenant))

    async def head(self, size: int | None = None) -> SignedHead | None:
        """The newest signed head, or that of a size if one was signed; by our key if it was signed by several."""
        with unavailable_when_away():
            row = await self._pool.fetchrow(_HEAD, size, self._key_id())
        return None if row is None else SignedHead(row["size"], row["root"], row["note"])

    async def tiles(self, ids: Iterable[TileId]) -> Mapping[TileId, TileHashes]:
        """The tiles, those at the right edge as far as they are filled."""
        found: dict[TileId, TileHashes] = {}
        missing: list[TileId] = []
        for level, position in ids:
            kept = self._kept[level]
            if (tile := kept.get(position)) is not None:
                kept.move_to_end(position)
                found[level, position] = tile
            else:
                missing.append((level, position))
        if missing:
            with unavailable_when_away():
                rows = await self._pool.fetch(
                    _TILES, [tile[0] for tile in missing], [tile[1] for tile in missing], TILE_WIDTH
                )
            for row in rows:
                level, position = row["level"], row["position"]
                if row["full"]:
                    tile = TileHashes.split(row["hashes"])
                    self._keep(level, position, tile)
                else:
                    tile = self._at_edge(level, row["hashes"])
                found[level, position] = tile
        return found

    async def check(self) -> None:
        """NotReadyError unless the database takes writes; AmasError LOG_UNAVAILABLE if it is away."""
        with unavailable_when_away():
            read_only = await self._pool.fetchval(
                "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
            )
            await self._pool.fetchrow(_HEAD, None, self._key_id())
        if read_only:
            raise NotReadyError("the database takes no writes: it is a replica or set to read only")

    def _at_edge(self, level: int, content: bytes) -> TileHashes:
        seen, tile = self._edge.get(level, (None, None))
        if tile is None or seen != content:
            tile = TileHashes.split(content)
            self._edge[level] = (content, tile)
        return tile

    def _keep(self, level: int, position: int, hashes: TileHashes) -> None:
        kept = self._kept[level]
        kept[position] = hashes
        if len(kept) > MAX_KEPT_TILES:
            kept.popitem(last=False)
