"""What a caller, a provider or bad luck may try against budgets, records and the other tenants."""

from __future__ import annotations

import asyncio
from typing import Any

from amas_ai_router.domain.records import LOST, MODEL_CALLED, OK

from .fakes import (
    ONE_CALL_COST,
    USAGE_CHUNK,
    FakeStream,
    ListSink,
    MemoryBudgets,
    MemoryLedger,
    Router,
    answer,
    chunk,
    make_bundle,
)

BUDGET = {
    "kind": "Budget",
    "metadata": {"name": "daily"},
    "spec": {"subject": {"tenant": "acme"}, "window": "day", "cost": {"amount": "1", "currency": "USD"}},
}
WRITER = {
    "kind": "AgentRole",
    "metadata": {"name": "writer"},
    "spec": {
        "version": "1.0.0",
        "purpose": "Writes.",
        "model": {"route": "default", "audit": "content"},
        "instructions": "Write.",
        "input": {"schema": {"type": "object"}},
        "output": {"schema": {"type": "object"}},
    },
}


async def test_the_contents_of_a_stream_are_audited_where_the_role_says_so() -> None:
    """Also where nothing else keeps its chunks: neither a key nor a cache."""
    router = await Router(bundle=make_bundle(more=[WRITER])).load()
    given = [chunk("he"), chunk("llo", finish="stop")]
    router.providers.will("p0/m", FakeStream([*given, USAGE_CHUNK]))
    sink = ListSink()
    await router.do.stream_complete.run(router.request(role="writer"), sink)
    (data,) = router.audit.data(MODEL_CALLED)
    assert data["response"].encode() == b"\n".join(sink.chunks)


async def test_two_replicas_that_ask_for_one_key_are_both_billed() -> None:
    """One answer stands under the key, but two calls were made: budgets and ledger count the same, and audit knows."""
    ledger, budgets = MemoryLedger(), MemoryBudgets()
    routers = [await Router(bundle=make_bundle(more=[BUDGET]), ledger=ledger, budgets=budgets).load() for _ in range(2)]
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        asked.set()
        await go_on.wait()
        return answer("second")

    routers[1].providers.will("p0/m", slow)
    loser = asyncio.create_task(routers[1].do.complete.run(routers[1].request(idempotency_key="k")))
    await asked.wait()
    first, _ = await routers[0].do.complete.run(routers[0].request(idempotency_key="k"))
    go_on.set()
    body, report = await loser
    assert (body, report.replayed) == (first, True)
    assert ledger.outcomes() == [("p0", LOST), ("p0", OK)]
    assert sum(record.report.usage.cost for record in ledger.calls) == 2 * ONE_CALL_COST
    assert sum(spent.cost for _, spent in budgets.settled) == 2 * ONE_CALL_COST
    assert [data["outcome"] for data in routers[1].audit.data(MODEL_CALLED)] == [LOST, OK]
