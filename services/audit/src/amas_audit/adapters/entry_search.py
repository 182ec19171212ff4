"""Finds a tenant's entries by what they are about: bitmaps of full blocks, and a look at the few entries beyond them.

Every question names the tenant; there is no other way to ask. A search sees one state of the log. What the index leads
to is held against the question before it is answered, so that a wrong index can hide an entry but never show one.
The index stays when entries are dropped: a search that comes to one of them says so, and never passes over it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from amas_audit.adapters.postgres_dropped import dropped_entries
from amas_audit.adapters.postgres_pool import Connection, Pool, unavailable_when_away
from amas_audit.domain.errors import entries_archived, query_too_wide
from amas_audit.domain.facets import BLOCK, answers, describe, positions, wanted_facets
from amas_audit.domain.leaf import decode
from amas_audit.domain.model import DroppedEntries, Entry, EventFilter, Page

# Seconds that one statement of a search may take.
SEARCH_TIMEOUT = 5.0
# Blocks that one look into the index brings.
BLOCKS_AT_ONCE = 256

# Plans must not depend on statistics: each facet's rows are in the order of their blocks, and a search stops early.
_SETTINGS = """
SET LOCAL statement_timeout = {timeout}; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL plan_cache_mode = force_custom_plan
"""
# Before the snapshot is taken: a partition that is dropped goes from all snapshots, and that it was dropped is seen in
# later ones alone.
_NO_DROPPING = "LOCK TABLE ONLY audit.entry IN ACCESS SHARE MODE"
_FULL_BLOCKS = "SELECT coalesce(max(position) + 1, 0) FROM audit.tile WHERE level = 0"
_BY_IDS = 'SELECT "index" FROM audit.event_key WHERE tenant = $1 AND event_id = ANY($2::text[])'
# A running sum of lengths ends what is read where it grows too heavy, before leaves are read: the length of a long
# value is known without it. The first entry always comes.
_WEIGHED = """
SELECT "index", leaf FROM (
  SELECT "index", leaf, octet_length(leaf) AS weight, sum(octet_length(leaf)) OVER (ORDER BY "index" {order}) AS total
  FROM audit.entry WHERE tenant = $1 AND {condition}
) AS weighed
WHERE total - weight < $2 ORDER BY "index" {order}
"""
_OF_INDEXES = '"index" = ANY($3::bigint[])'
_OF_RANGE = '"index" >= $3 AND "index" < $4'


class EntrySearch:
    """Answers pages of entries."""

    def __init__(self, pool: Pool, *, timeout: float = SEARCH_TIMEOUT) -> None:
        self._pool = pool
        self._timeout = timeout

    async def entries(self, wanted: EventFilter, *, start: int, end: int | None, limit: int, max_bytes: int) -> Page:
        """A page of what answers the question, within its bounds (but at least one entry if there is one)."""
        page = _Draft(limit, max_bytes)
        async with self._snapshot() as connection:
            search = _Search(connection, wanted, page, await dropped_entries(connection))
            blocks = int(await connection.fetchval(_FULL_BLOCKS))
            past = (1 << 62) if end is None else end
            if wanted.ids:
                found = [row[0] for row in await connection.fetch(_BY_IDS, wanted.tenant, list(wanted.ids))]
                await search.take(sorted((i for i in found if start <= i < past), reverse=wanted.newest_first))
            elif wanted.newest_first:
                await search.edge(max(start, blocks * BLOCK), past)
                await search.blocks(start, min(past, blocks * BLOCK))
            else:
                await search.blocks(start, min(past, blocks * BLOCK))
                await search.edge(max(start, blocks * BLOCK), past)
        return Page(tuple(page.entries), page.more)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        settings = _SETTINGS.format(timeout=round(self._timeout * 1000))
        with unavailable_when_away():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await connection.execute(settings)
                try:
                    await connection.execute(_NO_DROPPING)
                    yield connection
                except asyncpg.QueryCanceledError as error:
                    raise query_too_wide(self._timeout) from error


class _Draft:
    """A page that is being filled; one entry more than it may have tells that there is more."""

    def __init__(self, limit: int, max_bytes: int) -> None:
        self.limit = limit
        self.max_bytes = max_bytes
        self.entries: list[Entry] = []
        self.weight = 0
        self.more = False

    def add(self, entry: Entry) -> None:
        if len(self.entries) >= self.limit or (self.entries and self.weight >= self.max_bytes):
            self.more = True
        else:
            self.entries.append(entry)
            self.weight += len(entry.leaf)


class _Search:
    """One search in one snapshot. Every method ends when the page has what it needs."""

    def __init__(self, connection: Connection, wanted: EventFilter, page: _Draft, dropped: DroppedEntries) -> None:
        self._connection = connection
        self._dropped = dropped
        self._wanted = wanted
        self._page = page

    async def blocks(self, start: int, end: int) -> None:
        """Go through the full blocks, as far as they have entries of [start, end)."""
        statement, values = _index_question(self._wanted)
        first, past = start // BLOCK, -(-end // BLOCK)
        while first < past and not self._page.more:
            rows = await self._connection.fetch(statement, *values, first, past, BLOCKS_AT_ONCE)
            found = [index for row in rows for index in self._ordered(row["block"], row["bits"].to_int())]
            await self.take([index for index in found if start <= index < end])
            if len(rows) < BLOCKS_AT_ONCE:
                return
            if self._wanted.newest_first:
                past = rows[-1]["block"]
            else:
                first = rows[-1]["block"] + 1

    async def take(self, indexes: Sequence[int]) -> None:
        """Read entries in this order, in portions of what the page may still have.

        A page ends before the first that was dropped, and says that there is more; one that begins there is refused.
        """
        archived = next((at for at, index in enumerate(indexes) if index < self._dropped.past), len(indexes))
        await self._take_there(indexes[:archived])
        if archived < len(indexes) and not self._page.more:
            if not self._page.entries:
                raise entries_archived(0, self._dropped.past, self._dropped.location)
            self._page.more = True

    async def _take_there(self, indexes: Sequence[int]) -> None:
        at = 0
        while at < len(indexes) and not self._page.more:
            portion = list(indexes[at : at + self._page.limit + 1 - len(self._page.entries)])
            rows = await self._read(_OF_INDEXES, portion)
            at = indexes.index(rows[-1]["index"], at) + 1 if rows else at + len(portion)

    async def edge(self, start: int, end: int) -> None:
        """Look at each of the few entries that are in no full block."""
        while start < end and not self._page.more:
            rows = await self._read(_OF_RANGE, start, end)
            if not rows:
                return
            if self._wanted.newest_first:
                end = rows[-1]["index"]
            else:
                start = rows[-1]["index"] + 1

    async def _read(self, condition: str, *values: object) -> list[asyncpg.Record]:
        order = "DESC" if self._wanted.newest_first else "ASC"
        statement = _WEIGHED.format(condition=condition, order=order)
        rows = await self._connection.fetch(statement, self._wanted.tenant, self._page.max_bytes, *values)
        for row in rows:
            event, source, run_sequence = decode(row["leaf"])
            if answers(self._wanted, describe(event, source), event.id):
                self._page.add(Entry(row["index"], run_sequence, source, event, row["leaf"]))
        return list(rows)

    def _ordered(self, block: int, bits: int) -> list[int]:
        found = positions(block, bits)
        return found[::-1] if self._wanted.newest_first else found


def _index_question(wanted: EventFilter) -> tuple[str, list[object]]:
    """Blocks that have entries with all facets, and which; three more parameters bound it: first, past, most rows."""
    facets = wanted_facets(wanted)
    values: list[object] = [wanted.tenant, *facets]
    joins = "".join(
        f" JOIN audit.facet f{n} ON f{n}.tenant = $1 AND f{n}.facet = ${n + 2} AND f{n}.block = f0.block"
        for n in range(1, len(facets))
    )
    bits = " & ".join(f"f{n}.bits" for n in range(len(facets)))
    conditions = []
    for column, bound in (("latest >=", wanted.since), ("earliest <=", wanted.until)):
        if bound is not None:
            values.append(bound // 1000)
            conditions += [f"f{n}.{column} ${len(values)}" for n in range(len(facets))]
    at = len(values)
    conditions += [f"f0.tenant = $1 AND f0.facet = $2 AND f0.block >= ${at + 1} AND f0.block < ${at + 2}"]
    if len(facets) > 1:
        conditions.append(f"{bits} <> 0::bit(256)")
    order = "DESC" if wanted.newest_first else "ASC"
    return (
        f"SELECT f0.block, {bits} AS bits FROM audit.facet f0{joins} WHERE {' AND '.join(conditions)} "  # noqa: S608 - fixed words
        f"ORDER BY f0.block {order} LIMIT ${at + 3}"
    ), values
