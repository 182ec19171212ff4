"""Reads the leaves of a stretch of the log, of whichever tenants they are. Only the bundles of the log ask for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away

_LEAVES = 'SELECT leaf FROM audit.entry WHERE "index" >= $1 AND "index" < $2 ORDER BY "index"'

_TENANTS = 'SELECT tenant, count(*) AS entries FROM audit.entry WHERE "index" >= $1 AND "index" < $2 GROUP BY tenant'


class PostgresLeaves:
    """`ports.LeafReader` and `ports.EntryOwners` out of committed rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """The leaves [start, end), fewer where the log ends before. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            return [row["leaf"] for row in await self._pool.fetch(_LEAVES, start, end)]

    async def tenants(self, start: int, end: int) -> Mapping[str, int]:
        """Tenants with entries in [start, end), and how many. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            return {row["tenant"]: row["entries"] for row in await self._pool.fetch(_TENANTS, start, end)}
