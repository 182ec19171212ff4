"""Reads the leaves of a stretch of the log, of whichever tenants they are. Only the bundles of the log ask for that."""

from __future__ import annotations

from collections.abc import Sequence

from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away

_LEAVES = 'SELECT leaf FROM audit.entry WHERE "index" >= $1 AND "index" < $2 ORDER BY "index"'


class PostgresLeaves:
    """`ports.LeafReader` out of committed rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """The leaves [start, end), fewer where the log ends before. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            return [row["leaf"] for row in await self._pool.fetch(_LEAVES, start, end)]
