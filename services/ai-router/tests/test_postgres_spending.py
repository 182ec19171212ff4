"""What budgets are built again from: the ledger's sums, in the real Postgres."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from amas_ai_router.adapters import postgres_pool
from amas_ai_router.adapters.migrate import migrate
from amas_ai_router.adapters.postgres_ledger import PostgresLedger
from amas_ai_router.adapters.postgres_spending import PostgresSpending
from amas_ai_router.domain.budgets import Amount, Per, Window
from amas_ai_router.domain.model import CallContext, CallReport, Operation, Tokens, Usage
from amas_ai_router.domain.records import CallRecord

from .budget_fakes import call_of, make_rule, spend

pytestmark = pytest.mark.integration
NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest_asyncio.fixture
async def pool(database: Callable[[str], Any]) -> AsyncIterator[postgres_pool.Pool]:
    """The service's pool on a migrated database."""
    made = database("ai-router")
    owner = made.owner_url.replace("@", f":{made.owner_password_file.read_text().strip()}@", 1)
    migrate(owner)
    service = made.service_url.replace("@", f":{made.service_password_file.read_text().strip()}@", 1)
    opened = await postgres_pool.make_pool(service, connections=2)
    yield opened
    await opened.close()


async def test_only_what_counts_is_added_up(pool: postgres_pool.Pool) -> None:
    """Of the tenant, the subject and the window; not late calls, nor money of other currencies."""
    ledger, spending = PostgresLedger(pool), PostgresSpending(pool)
    written = 0

    async def record(context: CallContext, *, currency: str = "USD", outcome: str = "ok", hours: int = 0) -> None:
        nonlocal written
        written += 1
        usage = Usage(Tokens(10, 4, 5), Decimal("0.25"), currency)
        report = CallReport(f"c{written}", "p0", "m", usage, attempts=1, duration_ms=1)
        time = NOW - datetime.timedelta(hours=hours)
        await ledger.record(CallRecord(context, "default", Operation.CHAT, outcome, report, "", time), None, None)

    one = call_of("r1", "writer")
    app = replace(one, principal=replace(one.principal, client_id="app"))
    other_tenant = replace(one, principal=replace(one.principal, tenant="other"))
    await record(one)
    await record(one, outcome="lost", hours=2)
    await record(one, outcome="late")
    await record(app, currency="EUR")
    await record(call_of("r2", "reader"))
    await record(other_tenant)

    day = make_rule(cost="1")
    assert await spending.spent(day, "acme", "", NOW - datetime.timedelta(hours=3)) == spend(60, "0.75")
    assert await spending.spent(day, "acme", "", NOW) == spend(45, "0.5")
    assert await spending.spent(day, "nobody", "", None) == Amount(Decimal(0), 0)
    runs = make_rule(cost="1", window=Window.RUN)
    assert await spending.spent(runs, "acme", "r1", None) == spend(45, "0.5")
    both = make_rule(cost="1", window=Window.RUN, per=Per.ROLE)
    assert await spending.spent(both, "acme", "r2/reader", None) == spend(15, "0.25")
    clients = make_rule(tokens=1, per=Per.CLIENT_ID)
    assert await spending.spent(clients, "acme", "app", None) == spend(15)
    stated = make_rule(cost="1", role="writer", principal="developer")
    assert await spending.spent(stated, "acme", "", None) == spend(45, "0.5")
