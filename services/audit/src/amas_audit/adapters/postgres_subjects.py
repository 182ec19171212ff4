"""Where a subject's contents stand, out of the rows of keys and contents; neither is decrypted for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.leaf import decode
from amas_audit.domain.subjects import SubjectKeyUse, SubjectRun

_KEYS = """
SELECT k.key_id, k.retention, (SELECT count(*) FROM audit.content c WHERE c.key_id = k.key_id) AS contents
FROM audit.content_key k WHERE k.tenant = $1 AND k.subject = $2 ORDER BY k.opened_at DESC, k.key_id LIMIT $3
"""
# By the index over key and run: as much is read as the subject has contents.
_RUNS = """
SELECT c.run_id, count(DISTINCT c."index") AS events, count(*) AS contents,
  min(c."index") AS first, max(c."index") AS last
FROM audit.content c JOIN audit.content_key k ON k.key_id = c.key_id
WHERE k.tenant = $1 AND k.subject = $2 AND ($3::text IS NULL OR c.run_id > $3 COLLATE "C")
GROUP BY c.run_id ORDER BY c.run_id LIMIT $4
"""
_LEAVES = 'SELECT "index", leaf FROM audit.entry WHERE "index" = ANY($1::bigint[])'


class PostgresSubjects:
    """`ports.SubjectReader`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keys(self, tenant: str, subject: str, limit: int) -> Sequence[SubjectKeyUse]:
        """Keys of a tenant's subject, newest first."""
        with unavailable_when_away():
            rows = await self._pool.fetch(_KEYS, tenant, subject, limit)
        return [SubjectKeyUse(row["key_id"].hex, row["retention"], row["contents"]) for row in rows]

    async def runs(self, tenant: str, subject: str, *, after: str | None, limit: int) -> Sequence[SubjectRun]:
        """Runs with contents of a tenant's subject, by rising id, after one of them."""
        with unavailable_when_away():
            rows = await self._pool.fetch(_RUNS, tenant, subject, after, limit)
            ends = sorted({index for row in rows for index in (row["first"], row["last"])})
            leaves = await self._pool.fetch(_LEAVES, ends) if ends else []
        times = {row["index"]: decode(row["leaf"])[0].time for row in leaves}
        found = [SubjectRun(*row.values()) for row in rows]
        return [
            replace(run, first_time=times.get(run.first_index, ""), last_time=times.get(run.last_index, ""))
            for run in found
        ]
