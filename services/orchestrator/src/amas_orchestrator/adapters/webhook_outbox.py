"""The outbox in Postgres. What is to be told is read from the approvals, which know up to which state it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from amas_orchestrator.domain.webhooks import Delivery
from amas_orchestrator.ports import Compose

from .approval_store import read_approvals
from .notice_rows import notice_of
from .postgres_pool import Connection, Database

OF_ONE_RECEIVER = 4
"""Messages of one receiver in a batch, so that one that hangs does not hold up the others."""
TOLD_FOR = timedelta(days=1)
"""How long after its expiry an approval is told about: who is new here is not told the whole past."""
_CHANGED = """
SELECT * FROM orchestrator.approvals
WHERE told <> state AND state <> 'opening' AND tenant = ANY($1) AND expires_at > $2
ORDER BY requested_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
"""
_NOTICED = """
SELECT n.* FROM orchestrator.approval_notices n JOIN orchestrator.approvals a ON a.id = n.approval_id
WHERE n.sent AND NOT n.announced AND a.tenant = ANY($1) AND a.expires_at > $2
ORDER BY n.due_at, n.approval_id LIMIT $3 FOR UPDATE OF n SKIP LOCKED
"""
_STORE = """
INSERT INTO orchestrator.webhook_outbox (id, tenant, endpoint, body, next_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING
"""
_DUE = """
WITH ranked AS (
  SELECT id, next_at, row_number() OVER (PARTITION BY tenant, endpoint ORDER BY next_at, id) AS place
  FROM orchestrator.webhook_outbox WHERE state = 'waiting' AND next_at <= $1
), chosen AS (
  SELECT o.id FROM orchestrator.webhook_outbox o JOIN ranked r ON r.id = o.id
  WHERE r.place <= $4 AND o.state = 'waiting' AND o.next_at <= $1
  ORDER BY r.next_at, o.id LIMIT $3 FOR UPDATE OF o SKIP LOCKED
)
UPDATE orchestrator.webhook_outbox o SET next_at = $2, attempts = attempts + 1 FROM chosen
WHERE o.id = chosen.id RETURNING o.id, o.tenant, o.endpoint, o.body, o.attempts - 1 AS attempts
"""
_RETRY = "UPDATE orchestrator.webhook_outbox SET next_at = $2 WHERE id = $1 AND state = 'waiting'"
# The row stays, so that its id is not told again; what it said does not.
_END = "UPDATE orchestrator.webhook_outbox SET state = $2, body = '' WHERE id = $1 AND state = 'waiting'"


class PostgresOutbox:
    """Outbox on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def collect(self, tenants: frozenset[str], compose: Compose, now: datetime, limit: int) -> int:
        """See Outbox."""
        wanted: tuple[Any, ...] = (list(tenants), now - TOLD_FOR, limit)
        async with self._database.transaction() as connection:
            changed = await read_approvals(connection, await connection.fetch(_CHANGED, *wanted))
            for approval in changed:
                await _store(connection, compose(approval, None), now)
                await connection.execute(
                    "UPDATE orchestrator.approvals SET told = $2 WHERE id = $1", approval.id, approval.state.value
                )
            notices = [notice_of(row) for row in await connection.fetch(_NOTICED, *wanted)]
            ids = list({notice.approval_id for notice in notices})
            rows = await connection.fetch("SELECT * FROM orchestrator.approvals WHERE id = ANY($1)", ids)
            approvals = {approval.id: approval for approval in await read_approvals(connection, rows)}
            for notice in notices:
                await _store(connection, compose(approvals[notice.approval_id], notice), now)
                await connection.execute(
                    "UPDATE orchestrator.approval_notices SET announced = true "
                    "WHERE approval_id = $1 AND kind = $2 AND number = $3",
                    notice.approval_id,
                    notice.kind.value,
                    notice.number,
                )
        return len(changed) + len(notices)

    async def due(self, now: datetime, until: datetime, limit: int) -> list[Delivery]:
        """See Outbox."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_DUE, now, until, limit, OF_ONE_RECEIVER)
        return [Delivery(row["id"], row["tenant"], row["endpoint"], row["body"], row["attempts"]) for row in rows]

    async def delivered(self, delivery_id: str) -> None:
        """See Outbox."""
        async with self._database.connection() as connection:
            await connection.execute(_END, delivery_id, "delivered")

    async def failed(self, delivery_id: str, retry_at: datetime | None) -> None:
        """See Outbox."""
        async with self._database.connection() as connection:
            if retry_at is None:
                await connection.execute(_END, delivery_id, "given_up")
            else:
                await connection.execute(_RETRY, delivery_id, retry_at)


async def _store(connection: Connection, made: list[Delivery], now: datetime) -> None:
    for delivery in made:
        await connection.execute(_STORE, delivery.id, delivery.tenant, delivery.endpoint, delivery.body, now)
