"""Runs and their events in Postgres. Every query names the tenant, or is for a run that this executor holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from amas_chassis.errors import AmasError, ErrorKind

from amas_orchestrator.domain.errors import OwnershipLost
from amas_orchestrator.domain.events import NewEvent, StoredEvent, run_state_changed
from amas_orchestrator.domain.model import Principal, Reason, Run, RunState, StepState, StepStatus, Usage

from .postgres_pool import Connection, Database, json_text, utc

_RECORD = "SELECT cancel_asked FROM orchestrator.record_events($1, $2, $3, $4, $5, $6, $7)"
# The run and its first event in one round trip: this is on the way of every request that starts a run.
_INSERT = """
WITH made AS (
  INSERT INTO orchestrator.runs (id, tenant, requester, principal, orchestration, orchestration_version, bundle, state,
      traceparent, input_json, created_at, idempotency_key, request_digest, last_sequence)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)
  ON CONFLICT (tenant, requester, idempotency_key) WHERE idempotency_key <> '' DO NOTHING
  RETURNING id
)
INSERT INTO orchestrator.run_events (run_id, sequence, key, kind, time, step, payload)
SELECT id, 1, $14, $15, $11, '', $16 FROM made RETURNING run_id
"""
_BEGIN = "SELECT * FROM orchestrator.begin_run($1, $2, $3, $4, $5)"
_LIST = """
SELECT * FROM orchestrator.runs
WHERE tenant = $1 AND ($2 = '' OR orchestration = $2) AND ($3 = '' OR state = $3) AND ($4 = '' OR id < $4)
ORDER BY id DESC LIMIT $5
"""
MAX_STEP_EVENTS = 20_000
"""Events of steps that one reading of a run folds at most."""


class PostgresRuns:
    """RunStore on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, run: Run, idempotency_key: str, request_digest: str) -> tuple[Run, bool]:
        """See RunStore."""
        event = run_state_changed("queued", run.created_at, RunState.QUEUED)
        async with self._database.connection() as connection:
            made = await connection.fetchval(
                _INSERT,
                run.id,
                run.tenant,
                run.principal.subject,
                run.principal.to_dict(),
                run.orchestration,
                run.orchestration_version,
                run.bundle,
                run.state.value,
                run.traceparent,
                run.input_json,
                run.created_at,
                idempotency_key,
                request_digest,
                event.key,
                event.kind,
                event.payload,
            )
            if made:
                return run, False
            row = await connection.fetchrow(
                "SELECT * FROM orchestrator.runs WHERE tenant = $1 AND requester = $2 AND idempotency_key = $3",
                run.tenant,
                run.principal.subject,
                idempotency_key,
            )
        if row is None:
            raise AmasError(ErrorKind.ABORTED, "DATABASE_CONFLICT", "two requests met; ask again")
        if row["request_digest"] != request_digest:
            raise AmasError(
                ErrorKind.ALREADY_EXISTS,
                "IDEMPOTENCY_KEY_REUSED",
                "the idempotency key was used with another request",
            )
        return _run(row), True

    async def get(self, tenant: str, run_id: str) -> Run | None:
        """See RunStore."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM orchestrator.runs WHERE tenant = $1 AND id = $2", tenant, run_id
            )
            if row is None:
                return None
            steps = await connection.fetch(
                "SELECT time, step, payload FROM orchestrator.run_events "
                "WHERE run_id = $1 AND kind = 'step_state_changed' ORDER BY sequence LIMIT $2",
                run_id,
                MAX_STEP_EVENTS,
            )
        return _run(row, _steps(steps))

    async def page(self, tenant: str, orchestration: str, state: RunState | None, size: int, before: str) -> list[Run]:
        """See RunStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST, tenant, orchestration, state.value if state else "", before, size)
        return [_run(row) for row in rows]

    async def begin(self, run_id: str, now: datetime) -> Run | None:
        """See RunStore."""
        event = run_state_changed("running", now, RunState.RUNNING)
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_BEGIN, run_id, now, event.key, event.kind, json_text(event.payload))
        return None if row is None else _run(row)

    async def record(self, run_id: str, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        """See RunStore."""
        async with self._database.connection() as connection:
            return await record(connection, run_id, fencing_token, events)

    async def request_cancel(
        self, tenant: str, run_id: str, by: str, reason: str, now: datetime, *, revoked: bool = False
    ) -> Run | None:
        """See RunStore."""
        cancel = {"by": by, "reason": reason, "time": now.isoformat(), "revoked": revoked}
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM orchestrator.runs WHERE tenant = $1 AND id = $2 FOR UPDATE", tenant, run_id
            )
            if row is None:
                return None
            if row["ended_at"] is None and row["cancel"] is None:
                await connection.execute("UPDATE orchestrator.runs SET cancel = $2 WHERE id = $1", run_id, cancel)
            if row["ended_at"] is None:
                await cancel_approvals(connection, run_id)
                await connection.execute("SELECT pg_notify('amas_run_cancels', $1)", run_id)
        return await self.get(tenant, run_id)

    async def take_over(self, run_id: str, now: datetime) -> Run | None:
        """See RunStore."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "UPDATE orchestrator.runs SET fencing_token = fencing_token + 1 "
                "WHERE id = $1 AND ended_at IS NULL RETURNING *",
                run_id,
            )
            if row is None:
                return None
            token = row["fencing_token"]
            event = NewEvent(f"run/taken-over/{token}", "run_taken_over", now, {"fencing_token": token})
            await record(connection, run_id, token, [event])
        return _run(row)

    async def events(self, tenant: str, run_id: str, after: int, limit: int) -> list[StoredEvent]:
        """See RunStore."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT e.* FROM orchestrator.run_events e JOIN orchestrator.runs r ON r.id = e.run_id "
                "WHERE e.run_id = $1 AND r.tenant = $2 AND e.sequence > $3 ORDER BY e.sequence LIMIT $4",
                run_id,
                tenant,
                after,
                limit,
            )
        return [
            StoredEvent(run_id, row["sequence"], row["kind"], utc(row["time"]), row["step"], row["payload"])
            for row in rows
        ]

    async def queued_before(self, cutoff: datetime, limit: int) -> list[Run]:
        """Runs that have been queued for long, oldest first: their queue entry may never have been made."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM orchestrator.runs WHERE state = 'queued' AND created_at < $1 "
                "ORDER BY created_at LIMIT $2",
                cutoff,
                limit,
            )
        return [_run(row) for row in rows]

    async def queue(self) -> tuple[int, float]:
        """How many runs wait to be started, and the age of the oldest in seconds."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT count(*) AS depth, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS age "
                "FROM orchestrator.runs WHERE state = 'queued'"
            )
        return (int(row["depth"]), float(row["age"])) if row else (0, 0.0)

    async def to_cancel(self, run_ids: Sequence[str]) -> list[str]:
        """Those of some runs that are to be cancelled."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id FROM orchestrator.runs WHERE id = ANY($1) AND cancel IS NOT NULL", list(run_ids)
            )
        return [row["id"] for row in rows]


async def record(connection: Connection, run_id: str, fencing_token: int, events: Sequence[NewEvent]) -> bool:
    """Writes events by the function of the schema; True if the run is to be cancelled."""
    asked = await connection.fetchval(
        _RECORD,
        run_id,
        fencing_token,
        [event.key for event in events],
        [event.kind for event in events],
        [event.time for event in events],
        [event.step for event in events],
        [json_text(event.payload) for event in events],
    )
    if asked is None:
        raise OwnershipLost(f"the run {run_id} has another fencing token than {fencing_token}")
    return bool(asked)


async def cancel_approvals(connection: Connection, run_id: str) -> None:
    """Withdraws what a run asks humans; whoever waits for it is woken by the reminder."""
    await connection.execute(
        "UPDATE orchestrator.approvals SET state = 'cancelled', wake_due = true "
        "WHERE run_id = $1 AND state IN ('pending', 'opening')",
        run_id,
    )


def _run(row: asyncpg.Record, steps: tuple[StepStatus, ...] = ()) -> Run:
    usage = Usage(
        row["input_tokens"],
        row["cached_input_tokens"],
        row["output_tokens"],
        row["cost"],
        row["currency"],
        row["estimated"],
    )
    return Run(
        id=row["id"],
        principal=Principal.from_dict(row["principal"]),
        orchestration=row["orchestration"],
        orchestration_version=row["orchestration_version"],
        bundle=row["bundle"],
        state=RunState(row["state"]),
        traceparent=row["traceparent"],
        input_json=row["input_json"],
        created_at=utc(row["created_at"]),
        fencing_token=row["fencing_token"],
        output_json=row["output_json"],
        reason=Reason.from_dict(row["reason"]),
        usage=usage,
        started_at=utc(row["started_at"]) if row["started_at"] else None,
        ended_at=utc(row["ended_at"]) if row["ended_at"] else None,
        cancel=row["cancel"],
        steps=steps,
    )


def _steps(rows: Sequence[asyncpg.Record]) -> tuple[StepStatus, ...]:
    """Folds the events of steps into where each of them is now, in the order in which they began."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        payload = row["payload"]
        state = StepState(payload["state"])
        step = found.setdefault(row["step"], {"started_at": None, "ended_at": None})
        step.update(role=payload["role"], state=state, reason=Reason.from_dict(payload["reason"]))
        if state is StepState.RUNNING and step["started_at"] is None:
            step["started_at"] = utc(row["time"])
        if state not in (StepState.PENDING, StepState.RUNNING, StepState.WAITING):
            step["ended_at"] = utc(row["time"])
    return tuple(StepStatus(path=path, **step) for path, step in found.items())
