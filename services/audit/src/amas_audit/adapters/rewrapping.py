"""Wraps all keys of contents anew with the newest master key, as the role that owns the tables. Safe to run twice."""

from __future__ import annotations

import asyncpg

from amas_audit.adapters.master_key import MasterKeys
from amas_audit.adapters.postgres_pool import CONNECT_TIMEOUT
from amas_audit.domain.errors import ContentDamagedError, NotReadyError

# Keys of one transaction.
PORTION = 500

_OLD = """
SELECT key_id, tenant, subject, retention, wrapped FROM audit.content_key
WHERE substring(wrapped FOR 8) <> $1 ORDER BY key_id LIMIT $2 FOR UPDATE
"""
_WRAP = "UPDATE audit.content_key SET wrapped = $2 WHERE key_id = $1"


async def rewrap(owner_dsn: str, masters: MasterKeys) -> int:
    """How many keys were wrapped anew. NotReadyError, in a sentence, if the database or a key does not allow it."""
    try:
        connection = await asyncpg.connect(owner_dsn, timeout=CONNECT_TIMEOUT)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise NotReadyError(f"the keys could not be wrapped anew: {error}") from error
    try:
        done = 0
        while count := await _portion(connection, masters):
            done += count
        return done
    except (ContentDamagedError, asyncpg.PostgresError) as error:
        raise NotReadyError(f"the keys could not be wrapped anew: {error}") from error
    finally:
        await connection.close()


async def _portion(connection: asyncpg.Connection, masters: MasterKeys) -> int:
    async with connection.transaction():
        rows = await connection.fetch(_OLD, masters.current, PORTION)
        for row in rows:
            subject = (row["tenant"], row["subject"], row["retention"])
            key = masters.unwrap(row["key_id"].hex, subject, row["wrapped"])
            await connection.execute(_WRAP, row["key_id"], masters.wrap(key))
    return len(rows)
