"""Reads heads and tiles, and entries by their search. Every question about entries names the tenant."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from amas_audit.adapters.entry_search import EntrySearch
from amas_audit.adapters.postgres_edge import read_row
from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.merkle import HASH_SIZE
from amas_audit.domain.model import EventFilter, Page, SignedHead
from amas_audit.domain.tiles import TILE_WIDTH, TileId

# Full tiles in memory (about 17 KB each); they never change, so none is ever stale.
MAX_KEPT_TILES = 256

_HOLDS = 'SELECT EXISTS (SELECT FROM audit.entry WHERE "index" = $1 AND tenant = $2)'
_HEAD = """
SELECT size, root, note FROM audit.checkpoint WHERE $1::bigint IS NULL OR size = $1
ORDER BY size DESC, (key_id = $2) DESC LIMIT 1
"""
_TILES = """
SELECT t.level, t.position, t.hashes FROM unnest($1::smallint[], $2::bigint[]) AS q (level, position)
JOIN audit.tile t ON t.level = q.level AND t.position = q.position
"""


class PostgresReader:
    """Answers out of committed rows."""

    def __init__(self, pool: Pool, *, key_id: Callable[[], bytes]) -> None:
        self._pool = pool
        self._search = EntrySearch(pool)
        self._key_id = key_id
        self._kept: OrderedDict[TileId, tuple[bytes, ...]] = OrderedDict()

    async def entries(self, wanted: EventFilter, *, start: int, end: int | None, limit: int, max_bytes: int) -> Page:
        """Entries of one tenant with start <= index < end, in their order, within the bounds (but at least one)."""
        return await self._search.entries(wanted, start=start, end=end, limit=limit, max_bytes=max_bytes)

    async def holds(self, tenant: str, index: int) -> bool:
        """Whether the entry at `index` is there and the tenant's."""
        with unavailable_when_away():
            return bool(await self._pool.fetchval(_HOLDS, index, tenant))

    async def head(self, size: int | None = None) -> SignedHead | None:
        """The newest signed head, or that of a size if one was signed; by our key if it was signed by several."""
        with unavailable_when_away():
            row = await self._pool.fetchrow(_HEAD, size, self._key_id())
        return None if row is None else SignedHead(row["size"], row["root"], row["note"])

    async def tiles(self, ids: Iterable[TileId]) -> Mapping[TileId, Sequence[bytes]]:
        """The tiles, those at the right edge as far as they are filled."""
        found: dict[TileId, Sequence[bytes]] = {}
        missing: list[TileId] = []
        for tile in ids:
            if (kept := self._kept.get(tile)) is not None:
                self._kept.move_to_end(tile)
                found[tile] = kept
            else:
                missing.append(tile)
        if missing:
            with unavailable_when_away():
                found.update(await self._fetch(missing))
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

    async def _fetch(self, missing: Sequence[TileId]) -> dict[TileId, Sequence[bytes]]:
        found: dict[TileId, Sequence[bytes]] = {}
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_TILES, [tile[0] for tile in missing], [tile[1] for tile in missing])
            for row in rows:
                hashes = _split(row["hashes"])
                found[row["level"], row["position"]] = hashes
                self._keep((row["level"], row["position"]), hashes)
            for level, position in missing:
                if (level, position) not in found:
                    first = position * TILE_WIDTH
                    found[level, position] = await read_row(connection, level, first, first + TILE_WIDTH)
        return found

    def _keep(self, tile: TileId, hashes: tuple[bytes, ...]) -> None:
        self._kept[tile] = hashes
        if len(self._kept) > MAX_KEPT_TILES:
            self._kept.popitem(last=False)


def _split(hashes: bytes) -> tuple[bytes, ...]:
    return tuple(hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE))
