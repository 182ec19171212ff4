"""Keeps the cosignatures of witnesses, and finds the newest checkpoint that enough of them have cosigned."""

from __future__ import annotations

from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away

# Rows from the newest size down that are looked at: many times what a handful of witnesses leaves within a minute.
MAX_ROWS = 1024

_KEEP = """
INSERT INTO audit.cosignature (size, witness, key_id, line) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_NEWEST = "SELECT size, line FROM audit.cosignature ORDER BY size DESC, witness, key_id LIMIT $1"


class PostgresCosignatures:
    """`ports.Cosignatures` out of committed rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, size: int, witness: str, key_id: bytes, line: str) -> None:
        """Keep a witness's line under the checkpoint of a size; the first of each stands. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            await self._pool.execute(_KEEP, size, witness, key_id, line)

    async def newest(self, quorum: int) -> tuple[int, tuple[str, ...]] | None:
        """The largest size under which at least `quorum` lines are, and these. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            rows = await self._pool.fetch(_NEWEST, MAX_ROWS)
        lines: dict[int, list[str]] = {}
        for size, line in rows:
            lines.setdefault(size, []).append(line)
        for size, under in lines.items():
            if len(under) >= quorum:
                return size, tuple(under)
        return None
