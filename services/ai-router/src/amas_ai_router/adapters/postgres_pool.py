"""The pool of connections, as the service's least-privilege role. Postgres may be away when it is made."""

from __future__ import annotations

import asyncpg

# A statement that takes longer than this is given up, in seconds.
COMMAND_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5.0

Pool = asyncpg.Pool


class _Connection(asyncpg.Connection):
    """Comes back to the pool as it is: we change no state of a session, and resetting it would cost a round trip."""

    def get_reset_query(self) -> str:
        """Nothing. A transaction that was left open is rolled back by the pool itself."""
        return ""


async def make_pool(dsn: str, *, connections: int) -> Pool:
    """A pool that connects when it is used first."""
    pool: Pool = await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=connections,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        connection_class=_Connection,
        server_settings={"application_name": "amas-ai-router", "search_path": "ai_router"},
    )
    return pool


async def check(pool: Pool) -> None:
    """Raises unless the database answers and the tables are there."""
    await pool.fetchval("SELECT 1 FROM call LIMIT 1")
