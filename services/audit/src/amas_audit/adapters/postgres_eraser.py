"""Erases contents, as a database role that can do nothing else.

A key is destroyed under the sequencer's lock, so that no commit puts contents under it at that moment; without its key
a content is gone. The ciphertexts follow in portions, without the lock, since appends must not wait for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.adapters.sequencer_turn import sequencer_turn
from amas_audit.domain.erasure import DoomedKey

# Ciphertexts of one statement.
PORTION = 2_000

_OF_SUBJECT = """
SELECT k.key_id, k.tenant, k.retention, (SELECT count(*) FROM audit.content c WHERE c.key_id = k.key_id) AS contents
FROM audit.content_key k WHERE k.tenant = $1 AND k.subject = $2 ORDER BY k.key_id
"""
_ENDED = """
SELECT k.key_id, k.tenant, k.retention, (SELECT count(*) FROM audit.content c WHERE c.key_id = k.key_id) AS contents
FROM audit.content_key k
WHERE k.retention = $1 AND k.opened_at + make_interval(days => $2) < now() ORDER BY k.key_id LIMIT $3
"""
_MARK = """
INSERT INTO audit.erased_key (key_id, tenant, event_id)
SELECT key_id, tenant, $2 FROM audit.content_key WHERE key_id = ANY($1::uuid[]) ON CONFLICT DO NOTHING
"""
_DESTROY = "DELETE FROM audit.content_key WHERE key_id = ANY($1::uuid[])"
_LEFT = """
SELECT k.key_id FROM audit.erased_key k WHERE EXISTS (SELECT FROM audit.content c WHERE c.key_id = k.key_id)
"""
_CLEAR = """
DELETE FROM audit.content WHERE ("index", name) IN (
  SELECT "index", name FROM audit.content WHERE key_id = ANY($1::uuid[]) LIMIT $2
)
"""


class PostgresEraser:
    """`ports.Eraser`. Its pool is that of the erasing role."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of_subject(self, tenant: str, subject: str) -> list[DoomedKey]:
        """All keys of a tenant's subject."""
        with unavailable_when_away():
            rows = await self._pool.fetch(_OF_SUBJECT, tenant, subject)
        return [DoomedKey(row["key_id"].hex, row["tenant"], row["retention"], row["contents"]) for row in rows]

    async def ended(self, retention: str, days: int, limit: int) -> list[DoomedKey]:
        """Keys of a class that were opened more than `days` ago; at most `limit`."""
        with unavailable_when_away():
            rows = await self._pool.fetch(_ENDED, retention, days, limit)
        return [DoomedKey(row["key_id"].hex, row["tenant"], row["retention"], row["contents"]) for row in rows]

    async def destroy(self, keys: Sequence[str], event_id: str) -> None:
        """Destroy keys, noting the event that says so, and their contents. Safe to repeat."""
        with unavailable_when_away():
            async with self._pool.acquire() as connection, sequencer_turn(connection):
                await connection.execute(_MARK, list(keys), event_id)
                await connection.execute(_DESTROY, list(keys))
        await self._clear(keys)

    async def clear_up(self) -> None:
        """Remove ciphertexts that an erasure which was cut off has left without their keys."""
        with unavailable_when_away():
            left = [row["key_id"] for row in await self._pool.fetch(_LEFT)]
        if left:
            await self._clear([key.hex for key in left])

    async def _clear(self, keys: Sequence[str]) -> None:
        with unavailable_when_away():
            while await self._pool.execute(_CLEAR, list(keys), PORTION) != "DELETE 0":
                pass
