"""What whoever scales executors is told, on a real Postgres with DBOS's tables, as the role that may ask only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from amas_orchestrator.adapters.approval_store import PostgresApprovals
from amas_orchestrator.adapters.migrate import migrate, newest_revision
from amas_orchestrator.adapters.postgres_pool import Database, wait_for_database
from amas_orchestrator.adapters.run_store import PostgresRuns
from amas_orchestrator.domain.approvals import ApprovalState
from amas_orchestrator.domain.events import run_state_changed
from amas_orchestrator.domain.model import Run, RunState

from ..domain.test_answering import approval
from .test_stores import _dsn, a_run

pytestmark = pytest.mark.integration
AHEAD = 60.0
"""Seconds within which work counts as due."""


@dataclass
class Asked:
    """The database as the service, its owner and the scaler see it."""

    stored: Database
    owner: asyncpg.Connection
    scaler: asyncpg.Connection

    async def workload(self) -> tuple[int, float, int]:
        """Runs in the queue, the age of the oldest, and what is due."""
        row = await self.scaler.fetchrow("SELECT * FROM orchestrator.workload($1)", AHEAD)
        return row["queued"], row["oldest_age_seconds"], row["due"]

    async def due(self) -> int:
        return (await self.workload())[2]

    async def run(self, state: RunState) -> Run:
        """A run in this state, as the service writes it."""
        run = a_run(created_at=datetime.now(UTC) - timedelta(minutes=5))
        runs = PostgresRuns(self.stored)
        await runs.create(run, "", "d")
        if state is not RunState.QUEUED:
            await runs.record(run.id, run.fencing_token, [run_state_changed("to", run.created_at, state)])
        return run

    async def workflow(self, workflow_id: str, status: str) -> None:
        """A workflow as DBOS keeps it; one that exists goes on to this status."""
        await self.owner.execute(
            "INSERT INTO dbos.workflow_status (workflow_uuid, status, name, created_at, updated_at, priority) "
            "VALUES ($1, $2, 'run', 0, 0, 0) ON CONFLICT (workflow_uuid) DO UPDATE SET status = excluded.status",
            workflow_id,
            status,
        )

    async def asks(self, run: Run, workflow_id: str, *, expires_in: timedelta, name: str) -> str:
        """A pending approval that this workflow waits for."""
        now = datetime.now(UTC)
        asked = approval(
            id=name,
            run_id=run.id,
            workflow_id=workflow_id,
            state=ApprovalState.OPENING,
            requested_at=now,
            expires_at=now + expires_in,
        )
        store = PostgresApprovals(self.stored)
        await store.open(asked)
        await store.publish(asked, run.fencing_token, [])
        return asked.id


@pytest.fixture
async def asked(database: Any) -> AsyncIterator[Asked]:
    access = database("orchestrator")
    owner = _dsn(access.owner_url, access.owner_password_file)
    for _ in range(2):
        await asyncio.to_thread(migrate, owner, "dbos")
    made = await wait_for_database(_dsn(access.service_url, access.service_password_file), newest_revision(), 60)
    scaler_file = access.service_password_file.with_name("postgres-amas_orchestrator_scaler")
    scaler = await asyncpg.connect(
        _dsn(access.service_url.replace("amas_orchestrator@", "amas_orchestrator_scaler@"), scaler_file)
    )
    as_owner = await asyncpg.connect(owner)
    yield Asked(made, as_owner, scaler)
    await asyncio.gather(scaler.close(), as_owner.close(), made.close())


async def test_an_empty_platform_has_nothing_to_do(asked: Asked) -> None:
    """Zeros, and not nothing: an empty answer would be an error to whoever asks."""
    assert await asked.workload() == (0, 0.0, 0)


async def test_runs_in_the_queue_are_counted_once(asked: Asked) -> None:
    """With their age, whether or not the engine knows of them already."""
    for entered in (True, False):
        run = await asked.run(RunState.QUEUED)
        if entered:
            await asked.workflow(run.id, "ENQUEUED")
    queued, age, due = await asked.workload()
    assert (queued, due) == (2, 2)
    assert age >= 300


@pytest.mark.parametrize("status", ["PENDING", "ENQUEUED", "DELAYED"])
async def test_a_run_at_work_is_due_until_it_ended(asked: Asked, status: str) -> None:
    """Whoever has it: an executor that lives, or one whose lease has run out."""
    run = await asked.run(RunState.RUNNING)
    await asked.workflow(run.id, status)
    assert await asked.workload() == (0, 0.0, 1)
    await asked.workflow(run.id, "SUCCESS")
    assert await asked.due() == 0


async def test_what_the_engine_left_of_a_run_that_ended_is_nobodys(asked: Asked) -> None:
    """Nothing would come of it."""
    run = await asked.run(RunState.SUCCEEDED)
    await asked.workflow(run.id, "PENDING")
    assert await asked.due() == 0


async def test_a_run_that_only_waits_for_people_is_not_due(asked: Asked) -> None:
    """Until the time comes at which it would have to be gone on with without an answer."""
    run = await asked.run(RunState.WAITING)
    await asked.workflow(run.id, "PENDING")
    assert await asked.due() == 1, "it has not asked yet"
    name = await asked.asks(run, run.id, expires_in=timedelta(hours=1), name="far")
    assert await asked.due() == 0
    soon = datetime.now(UTC) + timedelta(seconds=AHEAD / 2)
    await asked.owner.execute("UPDATE orchestrator.approvals SET expires_at = $2 WHERE id = $1", name, soon)
    assert await asked.due() == 1


@pytest.mark.parametrize("state", ["approved", "rejected", "cancelled"])
async def test_a_decided_approval_is_due_until_the_run_went_on(asked: Asked, state: str) -> None:
    """Both that its run is told, and that the run goes on."""
    run = await asked.run(RunState.WAITING)
    await asked.workflow(run.id, "PENDING")
    name = await asked.asks(run, run.id, expires_in=timedelta(hours=1), name="decided")
    await asked.owner.execute(
        "UPDATE orchestrator.approvals SET state = $2, wake_due = true WHERE id = $1", name, state
    )
    assert await asked.due() == 2
    await PostgresApprovals(asked.stored).wake_sent(name)
    assert await asked.due() == 1


async def test_a_run_with_one_step_that_waits_and_one_at_work_is_due(asked: Asked) -> None:
    """Steps beside each other are workflows of their own: the run rests only when all of them wait."""
    run = await asked.run(RunState.WAITING)
    await asked.workflow(run.id, "PENDING")
    for step in ("review", "write"):
        await asked.workflow(f"{run.id}/{step}", "PENDING")
    await asked.asks(run, f"{run.id}/review", expires_in=timedelta(hours=1), name="review")
    assert await asked.due() == 1
    await asked.asks(run, f"{run.id}/write", expires_in=timedelta(hours=1), name="write")
    assert await asked.due() == 0
    for step in ("review", "write"):
        await asked.workflow(f"{run.id}/{step}", "SUCCESS")
    assert await asked.due() == 1, "the run itself goes on"


async def test_notices_and_messages_are_due_at_their_time(asked: Asked) -> None:
    """Reminders of pending approvals, and messages to receivers that were not delivered yet."""
    run = await asked.run(RunState.WAITING)
    await asked.workflow(run.id, "PENDING")
    name = await asked.asks(run, run.id, expires_in=timedelta(hours=2), name="noticed")
    now = datetime.now(UTC)
    for number, due_in in enumerate((timedelta(seconds=AHEAD / 2), timedelta(hours=1)), start=1):
        await asked.owner.execute(
            "INSERT INTO orchestrator.approval_notices (approval_id, kind, number, due_at, groups) "
            "VALUES ($1, 'reminded', $2, $3, '[]')",
            name,
            number,
            now + due_in,
        )
    assert await asked.due() == 1
    await asked.owner.execute("UPDATE orchestrator.approval_notices SET done = true WHERE number = 1")
    assert await asked.due() == 0
    for message, state, due_in in (
        ("due", "waiting", timedelta(seconds=-1)),
        ("later", "waiting", timedelta(hours=1)),
        ("forgotten", "waiting", timedelta(days=-2)),
        ("told", "delivered", timedelta(seconds=-1)),
    ):
        await asked.owner.execute(
            "INSERT INTO orchestrator.webhook_outbox (id, tenant, endpoint, body, state, next_at) "
            "VALUES ($1, 'acme', 'chat', '{}', $2, $3)",
            message,
            state,
            now + due_in,
        )
    assert await asked.due() == 1


async def test_the_role_may_ask_that_and_nothing_else(asked: Asked) -> None:
    """No table, no other function, no schema to write in: whoever has its password learns three numbers."""
    tables = await asked.owner.fetch(
        "SELECT c.oid::regclass::text AS name, has_table_privilege('amas_orchestrator_scaler', c.oid, "
        "'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') "
        "OR has_any_column_privilege('amas_orchestrator_scaler', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') AS may "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname IN ('orchestrator', 'dbos') AND c.relkind IN ('r', 'p', 'v', 'm')"
    )
    assert len(tables) > 20
    assert [row["name"] for row in tables if row["may"]] == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asked.scaler.execute("SELECT 1 FROM orchestrator.runs")
    functions = await asked.owner.fetch(
        "SELECT p.oid::regprocedure::text AS name, n.nspname AS schema, "
        "has_schema_privilege('amas_orchestrator_scaler', n.oid, 'USAGE') "
        "AND has_function_privilege('amas_orchestrator_scaler', p.oid, 'EXECUTE') AS may "
        "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('orchestrator', 'dbos')"
    )
    assert [row["name"] for row in functions if row["may"]] == ["orchestrator.workload(double precision)"]
    for schema in ("orchestrator", "dbos", "public"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asked.scaler.execute(f"CREATE TABLE {schema}.mine (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asked.scaler.execute("SET ROLE amas_orchestrator_owner")


async def test_the_service_itself_may_not_ask(asked: Asked) -> None:
    """It has no need to: rights are given to whoever needs them, one by one."""
    async with asked.stored.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM orchestrator.workload(0)")
