"""Keeps the cosignatures of witnesses, and finds the newest checkpoint that enough of them have cosigned."""

from __future__ import annotations

from collections.abc import Sequence

from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.witnessing import WitnessKey

_KEEP = """
INSERT INTO audit.cosignature (size, witness, key_id, line) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
# However far back it is: a bound would let a witness that is away for long hide the last checkpoint that has enough.
_NEWEST = """
SELECT size, array_agg(line ORDER BY witness, key_id) AS lines FROM audit.cosignature
WHERE (witness, key_id) IN (SELECT * FROM unnest($2::text[], $3::bytea[]))
GROUP BY size HAVING count(*) >= $1 ORDER BY size DESC LIMIT 1
"""


class PostgresCosignatures:
    """`ports.Cosignatures` out of committed rows. Only lines of the `keys` count: a witness may have had another."""

    def __init__(self, pool: Pool, keys: Sequence[WitnessKey]) -> None:
        self._pool = pool
        self._names = [key.name for key in keys]
        self._ids = [key.key_id for key in keys]

    async def keep(self, size: int, witness: str, key_id: bytes, line: str) -> None:
        """Keep a witness's line under the checkpoint of a size; the first of each stands. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            await self._pool.execute(_KEEP, size, witness, key_id, line)

    async def newest(self, quorum: int) -> tuple[int, tuple[str, ...]] | None:
        """The largest size under which at least `quorum` lines are, and these. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            row = await self._pool.fetchrow(_NEWEST, quorum, self._names, self._ids)
        return None if row is None else (row["size"], tuple(row["lines"]))
