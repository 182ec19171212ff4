"""The ledger's promises, held against the real Postgres and against its in-memory twin by the same tests."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from amas_ai_router.adapters import postgres_pool
from amas_ai_router.adapters.migrate import migrate
from amas_ai_router.adapters.postgres_bundles import PostgresBundles
from amas_ai_router.adapters.postgres_ledger import PostgresLedger
from amas_ai_router.domain.model import CallContext, CallReport, Operation, Tokens, Usage
from amas_ai_router.domain.records import (
    LOST,
    MODEL_CALLED,
    OK,
    CallRecord,
    KeptAnswer,
    TraceIds,
    call_id_for,
    make_event,
    scope_of,
)
from amas_ai_router.domain.usage_query import UsageQuery
from amas_ai_router.ports import Ledger
from amas_ai_router.usecases.query_usage import QueryUsage
from amas_chassis.errors import AmasError, ErrorKind

from .fakes import DEVELOPER, Router, answer, make_context
from .memory_stores import MemoryLedger

NOW = datetime.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=datetime.UTC)
DIGEST = "sha256:" + "0" * 64


def _with_password(url: str, password: str) -> str:
    return url.replace("@", f":{password}@", 1)


@pytest.fixture
def dsns(database: Callable[[str], Any]) -> tuple[str, str]:
    """Of the service and of the owner, after two migrations: the second must change nothing."""
    made = database("ai-router")
    service = _with_password(made.service_url, made.service_password_file.read_text().strip())
    owner = _with_password(made.owner_url, made.owner_password_file.read_text().strip())
    migrate(owner)
    migrate(owner)
    return service, owner


@pytest_asyncio.fixture
async def pool(dsns: tuple[str, str]) -> AsyncIterator[postgres_pool.Pool]:
    """The service's own pool."""
    made = await postgres_pool.make_pool(dsns[0], connections=4)
    yield made
    await made.close()


@pytest_asyncio.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    """Each back end of the port."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    service, _ = request.getfixturevalue("dsns")
    made = await postgres_pool.make_pool(service, connections=4)
    yield PostgresLedger(made)
    await made.close()


def record_of(context: CallContext, *, cost: str = "0.0000200001", outcome: str = "ok") -> CallRecord:
    usage = Usage(Tokens(10, 4, 5), Decimal(cost), "USD")
    call_id = call_id_for(scope_of(context))
    report = CallReport(call_id, "p0", "m", usage, 2, 17, failovers=("p9/m: TIMEOUT",))
    return CallRecord(context, "default", Operation.CHAT, outcome, report, "a" * 32, NOW)


def kept_of(record: CallRecord, digest: str = "sha256:1", body: bytes = b"\x00{answer}") -> KeptAnswer:
    event = make_event(
        f"model:{record.report.call_id}",
        MODEL_CALLED,
        record.context,
        "1.0.0",
        record.time,
        TraceIds("a" * 32, "b" * 16),
        {"x": "é"},
    )
    return KeptAnswer(digest, body, record.report, event)


async def write(ledger: Ledger, context: CallContext, **more: Any) -> bool:
    record = record_of(context, **more)
    scope = scope_of(context)
    return await ledger.record(record, scope, kept_of(record) if scope else None)


async def test_a_kept_answer_comes_back_as_it_was(ledger: Ledger) -> None:
    """Body, report and event are given again to the byte, the money exact."""
    context = make_context(DIGEST, idempotency_key="k", run_id="r", step="s", fencing_token=3)
    record = record_of(context)
    kept = kept_of(record)
    scope = scope_of(context)
    assert scope is not None
    assert await ledger.find_kept(scope, context) is None
    assert await ledger.record(record, scope, kept)
    assert await ledger.find_kept(scope, context) == kept


async def test_the_first_answer_under_a_key_stands(ledger: Ledger) -> None:
    """A second one, from another replica, is not written, and no second row either."""
    context = make_context(DIGEST, idempotency_key="k")
    assert await write(ledger, context)
    assert not await write(ledger, context, cost="9")
    (row,) = await ledger.sums(UsageQuery("acme"), None, 10)
    assert (row.calls, row.usage.cost) == (1, Decimal("0.0000200001"))


async def test_many_writers_of_one_key_write_once(ledger: Ledger) -> None:
    """Whoever comes first, exactly one answer is kept."""
    context = make_context(DIGEST, idempotency_key="k", run_id="r", fencing_token=1)
    written = await asyncio.gather(*(write(ledger, context) for _ in range(8)))
    assert sum(written) == 1


async def test_an_answer_is_found_by_its_own_principal_alone(ledger: Ledger) -> None:
    """Tenants never meet, and neither do principals."""
    context = make_context(DIGEST, idempotency_key="k")
    await write(ledger, context)
    for other in (replace(DEVELOPER, tenant="other"), replace(DEVELOPER, subject="auditor")):
        stranger = replace(context, principal=other)
        scope = scope_of(stranger)
        assert scope is not None
        assert await ledger.find_kept(scope, stranger) is None


async def test_a_late_executor_writes_and_finds_nothing(ledger: Ledger) -> None:
    """A lower token than the highest seen for the run is fenced, whole; other runs and tenants are untouched."""
    newer = make_context(DIGEST, run_id="r", idempotency_key="new", fencing_token=5)
    await write(ledger, newer)
    late = replace(newer, idempotency_key="late", fencing_token=4)
    scope = scope_of(late)
    assert scope is not None
    with pytest.raises(AmasError) as caught:
        await write(ledger, late)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.FAILED_PRECONDITION, "FENCED")
    with pytest.raises(AmasError, match="FENCED"):
        await ledger.find_kept(scope, late)
    (row,) = await ledger.sums(UsageQuery("acme"), None, 10)
    assert row.calls == 1
    assert await write(ledger, replace(late, run_id="another"))
    assert await write(ledger, replace(late, principal=replace(DEVELOPER, tenant="other")))
    assert await write(ledger, replace(newer, idempotency_key="same token"))


async def test_usage_adds_up_by_group_page_by_page(ledger: Ledger) -> None:
    """Each row once, in order, whatever the page size; another tenant's calls are never in it."""
    for run in ("r1", "r2", "r3"):
        for role in ("analyst", "writer"):
            for _ in range(2):
                await write(ledger, make_context(DIGEST, run_id=run, role=role))
    await write(ledger, make_context(DIGEST))
    await write(ledger, make_context(DIGEST, run_id="r1", principal=replace(DEVELOPER, tenant="other")))
    query = QueryUsage(ledger)
    rows, token = [], ""
    for _ in range(20):
        page = await query.run(UsageQuery("acme", page_size=2, page_token=token))
        assert len(page.rows) <= 2
        rows += page.rows
        token = page.next_page_token
        if not token:
            break
    assert [(row.group.run_id, row.group.role, row.calls) for row in rows] == [
        ("", "", 1),
        *((run, role, 2) for run in ("r1", "r2", "r3") for role in ("analyst", "writer")),
    ]
    assert rows[1].usage.cost == Decimal("0.0000400002")
    assert rows[1].usage.tokens == Tokens(20, 8, 10)
    (one,) = (await query.run(UsageQuery("other"))).rows
    assert one.calls == 1


async def test_usage_is_cut_by_run_and_time(ledger: Ledger) -> None:
    """`since` is included, `until` is not."""
    await write(ledger, make_context(DIGEST, run_id="r1"))
    later = NOW + datetime.timedelta(microseconds=1)
    assert len(await ledger.sums(UsageQuery("acme", run_id="r1", since=NOW, until=later), None, 9)) == 1
    assert len(await ledger.sums(UsageQuery("acme", until=NOW), None, 9)) == 0
    assert len(await ledger.sums(UsageQuery("acme", since=later), None, 9)) == 0
    assert len(await ledger.sums(UsageQuery("acme", run_id="r2"), None, 9)) == 0


@pytest.mark.parametrize("tampered", ["x", "bm90IGpzb24", None])
async def test_a_page_token_of_another_question_is_refused(tampered: str | None) -> None:
    """A token belongs to its tenant and its filters."""
    ledger = MemoryLedger()
    for run in ("r1", "r2"):
        await write(ledger, make_context(DIGEST, run_id=run))
    query = QueryUsage(ledger)
    token = tampered or (await query.run(UsageQuery("acme", page_size=1))).next_page_token
    with pytest.raises(AmasError) as caught:
        await query.run(UsageQuery("other", page_size=1, page_token=token))
    assert caught.value.reason == "PAGE_TOKEN_INVALID"


@pytest.mark.integration
async def test_the_services_role_cannot_rewrite_the_ledger(pool: postgres_pool.Pool) -> None:
    """Rows are inserted and read; only a fence's token may change; nothing is deleted; no table is owned."""
    for statement in (
        "UPDATE call SET cost = 0",
        "DELETE FROM call",
        "TRUNCATE call",
        "UPDATE kept_answer SET body = ''",
        "DELETE FROM kept_answer",
        "UPDATE bundle SET content = ''",
        "DELETE FROM bundle",
        "UPDATE run_fence SET run_id = 'x'",
        "DELETE FROM run_fence",
        "ALTER TABLE call ADD COLUMN x int",
        "CREATE TABLE ai_router.other (x int)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)


@pytest.mark.integration
async def test_bundles_are_kept_whole(pool: postgres_pool.Pool) -> None:
    """What was put comes back to the byte; putting it again changes nothing."""
    store = PostgresBundles(pool)
    assert await store.content(DIGEST) is None
    content = bytes(range(256)) * 1024
    await store.put(DIGEST, content)
    await store.put(DIGEST, b"other")
    assert await store.content(DIGEST) == content


@pytest.mark.integration
async def test_the_router_answers_again_after_a_restart(pool: postgres_pool.Pool) -> None:
    """A new process on the same database knows bundle and answer: one provider call, one row, the same event."""
    first = await Router(ledger=PostgresLedger(pool), bundles=PostgresBundles(pool)).load()
    body, _ = await first.do.complete.run(first.request(idempotency_key="r/a/1", run_id="r", fencing_token=1))
    second = Router(bundle=first.bundle, ledger=PostgresLedger(pool), bundles=PostgresBundles(pool))
    again, report = await second.do.complete.run(second.request(idempotency_key="r/a/1", run_id="r", fencing_token=2))
    assert again == body
    assert report.replayed
    assert second.asked == []
    assert second.audit.events == first.audit.events


@pytest.mark.integration
async def test_two_replicas_with_one_key_give_one_answer(pool: postgres_pool.Pool) -> None:
    """Where both asked a provider, the first answer written is the answer of both; what the other cost is counted."""
    first = await Router(ledger=PostgresLedger(pool), bundles=PostgresBundles(pool)).load()
    second = await Router(bundle=first.bundle, ledger=PostgresLedger(pool), bundles=PostgresBundles(pool)).load()
    both = asyncio.Barrier(2)

    def meeting(text: str) -> Callable[[], Any]:
        async def meet() -> Any:
            await both.wait()
            return answer(text)

        return meet

    first.providers.will("p0/m", meeting("one"))
    second.providers.will("p0/m", meeting("two"))
    (left, _), (right, _) = await asyncio.gather(
        first.do.complete.run(first.request(idempotency_key="k")),
        second.do.complete.run(second.request(idempotency_key="k")),
    )
    assert left == right
    (row,) = (await first.do.query_usage.run(UsageQuery("acme"))).rows
    assert row.calls == 2
    rows = await pool.fetch("SELECT outcome FROM call ORDER BY outcome")
    assert [row["outcome"] for row in rows] == [LOST, OK]


@pytest.mark.integration
async def test_a_database_that_is_away_is_told_as_such(dsns: tuple[str, str]) -> None:
    """No traceback, no address: UNAVAILABLE with a reason."""
    service = dsns[0].replace(dsns[0].rsplit(":", 1)[1].split("/")[0], "1")
    pool = await postgres_pool.make_pool(service, connections=1)
    context = make_context(DIGEST, idempotency_key="k")
    scope = scope_of(context)
    assert scope is not None
    with pytest.raises(AmasError) as caught:
        await PostgresLedger(pool).find_kept(scope, context)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "LEDGER_UNAVAILABLE")
    await pool.close()
