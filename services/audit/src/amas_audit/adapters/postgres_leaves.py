"""Reads the leaves of a stretch of the log, of whichever tenants they are. Only the bundles of the log ask for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from amas_audit.adapters.postgres_dropped import dropped_entries
from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.errors import entries_archived
from amas_audit.domain.facets import BLOCK, positions

_LEAVES = 'SELECT leaf FROM audit.entry WHERE "index" >= $1 AND "index" < $2 ORDER BY "index"'

_TENANTS = 'SELECT tenant, count(*) AS entries FROM audit.entry WHERE "index" >= $1 AND "index" < $2 GROUP BY tenant'
# Of entries that were dropped: every entry has its bit in its tenant's facet of all.
_OWNERS = """
SELECT o.tenant, f.block, f.bits FROM audit.owners($1, $2) o JOIN audit.facet f ON f.tenant = o.tenant
WHERE f.facet = '' AND f.block >= $1 AND f.block < $2
"""


class PostgresLeaves:
    """`ports.LeafReader` and `ports.EntryOwners` out of committed rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """The leaves [start, end), fewer where the log ends before. AmasError LOG_UNAVAILABLE, ENTRIES_ARCHIVED."""
        with unavailable_when_away():
            found = [row["leaf"] for row in await self._pool.fetch(_LEAVES, start, end)]
        # Asked afterwards, so that nothing can be dropped in between.
        if len(found) < end - start and start < (dropped := await dropped_entries(self._pool)).past:
            raise entries_archived(0, dropped.past, dropped.location)
        return found

    async def tenants(self, start: int, end: int) -> Mapping[str, int]:
        """Tenants with entries in [start, end), and how many. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            counts = Counter({row["tenant"]: row["entries"] for row in await self._pool.fetch(_TENANTS, start, end)})
        past = (await dropped_entries(self._pool)).past
        if counts.total() < end - start and start < past:
            # They were read, and dropped before it was put on record.
            counts = Counter(await self.tenants(past, end)) if past < end else Counter()
            end = min(end, past)
            with unavailable_when_away():
                rows = await self._pool.fetch(_OWNERS, start // BLOCK, -(-end // BLOCK))
            for row in rows:
                found = positions(row["block"], row["bits"].to_int())
                counts[row["tenant"]] += sum(start <= index < end for index in found)
        return +counts
