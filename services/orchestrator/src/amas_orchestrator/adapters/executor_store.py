"""Leases of executors in Postgres, all by the database's clock: no two machines need to agree on the time."""

from __future__ import annotations

from collections.abc import Sequence

from .postgres_pool import Database

_CLAIM = """
UPDATE orchestrator.executors SET state = 'dead', claimed_by = $1, claimed_until = now() + make_interval(secs => $2)
WHERE id IN (
  SELECT id FROM orchestrator.executors
  WHERE id <> $1
    AND (state IN ('released', 'dead') OR (NOT $3 AND state = 'alive' AND lease_until < now()))
    AND (claimed_until IS NULL OR claimed_until < now() OR claimed_by = $1)
  FOR UPDATE SKIP LOCKED)
RETURNING id
"""


class PostgresExecutors:
    """ExecutorStore on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, executor_id: str, lease_seconds: float) -> None:
        """See ExecutorStore."""
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO orchestrator.executors (id, state, lease_until) "
                "VALUES ($1, 'alive', now() + make_interval(secs => $2))",
                executor_id,
                lease_seconds,
            )

    async def renew(self, executor_id: str, lease_seconds: float) -> bool:
        """See ExecutorStore."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                "UPDATE orchestrator.executors SET lease_until = now() + make_interval(secs => $2) "
                "WHERE id = $1 AND state = 'alive' RETURNING id",
                executor_id,
                lease_seconds,
            )
        return found is not None

    async def release(self, executor_id: str) -> None:
        """See ExecutorStore."""
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE orchestrator.executors SET state = 'released', lease_until = now() "
                "WHERE id = $1 AND state = 'alive'",
                executor_id,
            )

    async def claim_dead(self, executor_id: str, lease_seconds: float, *, only_released: bool) -> list[str]:
        """See ExecutorStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_CLAIM, executor_id, lease_seconds, only_released)
        return [row["id"] for row in rows]

    async def unknown(self, executor_ids: Sequence[str]) -> list[str]:
        """See ExecutorStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id FROM orchestrator.executors WHERE id = ANY($1)", list(executor_ids)
            )
        known = {row["id"] for row in rows}
        return [executor_id for executor_id in executor_ids if executor_id not in known]

    async def cleared(self, dead_id: str) -> None:
        """See ExecutorStore."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM orchestrator.executors WHERE id = $1 AND state = 'dead'", dead_id)
