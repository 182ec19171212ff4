from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from amas_audit.adapters import postgres_pool
from amas_audit.adapters.log_statements import _STATE
from amas_audit.adapters.postgres_pool import Connection, Pool, open_pool
from amas_audit.adapters.sequencer_turn import _BEGIN, sequencer_turn
from amas_audit.domain.signed_note import NoteSigner
from amas_chassis.errors import AmasError

from ..logs import LogDatabase, content, event, open_log, submission
from ..processes import poll

pytestmark = pytest.mark.integration

FENCE = "INSERT INTO audit.fence (tenant, run_id, token) VALUES ('acme', $1, 1)"
# Other databases of the server have such locks too, of tests whose processes are still ending.
HELD = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


async def _fences(pool: Pool) -> list[str]:
    return [row["run_id"] for row in await pool.fetch("SELECT run_id FROM audit.fence ORDER BY run_id")]


async def test_a_turn_commits_and_lets_the_lock_go(pool: Pool) -> None:
    """What a turn wrote is there when it has ended, and the next may begin."""
    async with pool.acquire() as connection:
        async with sequencer_turn(connection):
            await connection.execute(FENCE, "run-1")
            assert await _fences(pool) == []
            assert await pool.fetchval(HELD) == 1
        assert await _fences(pool) == ["run-1"]
        assert await pool.fetchval(HELD) == 0
        assert not connection.is_in_transaction()


async def test_one_turn_at_a_time_and_each_sees_what_the_last_wrote(pool: Pool, log_database: LogDatabase) -> None:
    """I9: whoever waited for the lock reads the state that its last holder left, whatever the role's default is."""
    service = await asyncpg.connect(log_database.service_dsn)
    await service.execute("ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'repeatable read'")
    waiter = await open_pool(log_database.service_dsn, connections=1, start_timeout=60)
    try:
        assert await waiter.fetchval("SHOW default_transaction_isolation") == "repeatable read"
        async with pool.acquire() as first, waiter.acquire() as second:

            async def wait_and_count() -> int:
                async with sequencer_turn(second):
                    return int(await second.fetchval("SELECT count(*) FROM audit.fence"))

            async with sequencer_turn(first):
                waiting = asyncio.create_task(wait_and_count())
                await _until_waiting(pool)
                await first.execute(FENCE, "run-1")
            assert await waiting == 1
    finally:
        await service.execute("ALTER ROLE CURRENT_USER RESET default_transaction_isolation")
        await service.close()
        await waiter.close()


async def _until_waiting(pool: Pool) -> None:
    await _until(pool, f"{HELD} AND NOT granted")


async def _until(pool: Pool, question: str) -> None:
    async def reached() -> bool:
        return bool(await pool.fetchval(question))

    await poll(reached, pause=0.005)


async def _write(connection: Connection, failure: Exception | None = None, *statements: str) -> None:
    """A turn that inserts a row, asks for the statements, and may raise."""
    async with sequencer_turn(connection):
        await connection.execute(FENCE, "run-1")
        for statement in statements:
            await connection.execute(statement)
        if failure is not None:
            raise failure


@pytest.mark.parametrize("failure", [ValueError("what was planned"), AssertionError("a slip")])
async def test_a_turn_that_fails_writes_nothing_and_says_why(pool: Pool, failure: Exception) -> None:
    """The caller sees what went wrong, and the same connection can be used again."""
    async with pool.acquire() as connection:
        with pytest.raises(type(failure), match=str(failure)):
            await _write(connection, failure)
        assert not connection.is_in_transaction()
        assert await connection.fetchval(HELD) == 0
    assert await _fences(pool) == []


async def test_a_commit_that_was_a_rollback_is_no_commit(pool: Pool) -> None:
    """I9: Postgres answers the COMMIT of a failed transaction with ROLLBACK, and no error: that is not acknowledged."""
    async with pool.acquire() as connection:

        async def go_on_after_a_failure() -> None:
            async with sequencer_turn(connection):
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await connection.execute("SELECT 1 / 0")

        with pytest.raises(AmasError) as refused:
            await go_on_after_a_failure()
        assert refused.value.reason == "LOG_UNAVAILABLE"
    assert await _fences(pool) == []


async def test_a_turn_cancelled_in_a_statement_leaves_nothing_open(pool: Pool) -> None:
    """Neither lock nor row remains, and the connection serves the next turn."""
    async with pool.acquire() as connection:
        task = asyncio.create_task(_write(connection, None, "SELECT pg_sleep(600)"))
        await _until(pool, SLEEPING)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with sequencer_turn(connection):
            await connection.execute(FENCE, "run-2")
    assert await _fences(pool) == ["run-2"]


async def test_a_turn_cancelled_while_it_waits_for_the_lock_leaves_nothing_open(pool: Pool) -> None:
    """A place in the queue for the lock is given up with the turn."""
    async with pool.acquire() as first, pool.acquire() as second:

        async def turn() -> None:
            async with sequencer_turn(second):
                raise AssertionError("the lock was held")

        async with sequencer_turn(first):
            task = asyncio.create_task(turn())
            await _until_waiting(pool)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not second.is_in_transaction()
        assert await pool.fetchval(HELD) == 0


async def test_a_lock_that_is_not_to_be_had_leaves_nothing_open(
    log_database: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that was begun with the question for the lock ends with its refusal."""
    monkeypatch.setattr(postgres_pool, "LOCK_TIMEOUT_MS", 100)
    pool = await open_pool(log_database.service_dsn, connections=2, start_timeout=60)
    try:
        async with pool.acquire() as first, pool.acquire() as second, sequencer_turn(first):
            with pytest.raises(asyncpg.LockNotAvailableError):
                async with sequencer_turn(second):
                    raise AssertionError("the lock was held")
            assert not second.is_in_transaction()
            assert await second.fetchval("SELECT 1") == 1
    finally:
        await pool.close()


async def test_a_connection_lost_within_a_turn_is_not_used_again(pool: Pool) -> None:
    """The caller sees what it raised, not that the rollback failed too, and the pool opens another connection."""
    async with pool.acquire() as connection:
        lost = connection.get_server_pid()

        async def lose_it() -> None:
            async with sequencer_turn(connection):
                await connection.execute(FENCE, "run-1")
                await pool.fetchval("SELECT pg_terminate_backend($1, 60000)", lost)
                raise ValueError("first")

        with pytest.raises(ValueError, match="first"):
            await lose_it()
    assert await _fences(pool) == []
    assert await pool.fetchval(HELD) == 0


async def test_a_commit_takes_four_round_trips_of_constant_text(log_database: LogDatabase, signer: NoteSigner) -> None:
    """An append waits for each: begin and lock, read, write, commit, also with a run, a fence and a filled tile."""
    pool = await open_pool(log_database.service_dsn, connections=1, start_timeout=60)
    try:
        wired = await open_log(pool, signer)
        asked: list[str] = []
        async with pool.acquire() as connection:
            connection.add_query_logger(lambda query: asked.append(query.query))
        await wired.log.append(submission(event(0, run_id="", contents=(content(),))))
        alone = asked.copy()
        asked.clear()
        await wired.log.append(
            submission(*(event(number, contents=(content(),)) for number in range(1, 257)), fencing_token=1)
        )
        assert asked == alone
        assert len(alone) == 4
        assert alone[0].startswith("BEGIN")
        assert alone[3] == "COMMIT"
        assert await pool.fetchval("SELECT count(*) FROM audit.tile") == 1
        assert await pool.fetchval("SELECT count(*) FROM audit.fence") == 1
    finally:
        await pool.close()


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_plan_that_is_kept_looks_into_indexes(log_database: LogDatabase, analyzed: bool) -> None:
    """Plans outlive the growth of the tables: one made while they were empty must not go through a tenant's entries."""
    owner = await asyncpg.connect(log_database.owner_dsn)
    try:
        if analyzed:
            await owner.execute(
                "ANALYZE audit.event_key, audit.run_place, audit.checkpoint, audit.fence, audit.content_key"
            )
        await owner.execute(_BEGIN)
        await owner.execute(f"PREPARE state AS {_STATE}")
        text = await owner.fetchval(
            "EXPLAIN (FORMAT JSON) EXECUTE state ('', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')"
        )
        nodes = _nodes(json.loads(text)[0]["Plan"])
    finally:
        await owner.close()
    scans = {node["Alias"]: node for node in nodes if "Scan" in node["Node Type"] and "Relation Name" in node}
    assert {node["Index Name"] for node in scans.values()} == {
        "checkpoint_pkey",
        "content_key_subject",
        "event_key_pkey",
        "run_place_pkey",
        "fence_pkey",
    }
    assert not any("Filter" in node for node in scans.values())
