"""What budgets do at an end: settlements that wait for Redis reach it before an exit; a lost store forgets no hold."""

from __future__ import annotations

import asyncio

import pytest
from amas_ai_router.adapters import budget_leases
from amas_ai_router.adapters.budget_scripts import GRACE_MS
from amas_chassis.errors import AmasError

from .budget_fakes import Process, Store, call_of, make_rule, spend

pytestmark = pytest.mark.integration
RULE = make_rule(tokens=100)


async def settled_while_away(store: Store) -> Process:
    """A process that told a caller of a settlement, and Redis not yet."""
    process = store.process()
    hold = await process.budgets.reserve([RULE], call_of(), spend(50))
    process.pipeline._away_until = float("inf")
    assert await process.budgets.settle(hold, spend(30))
    return process


async def test_an_exit_waits_for_redis_to_come_back(store: Store) -> None:
    """Else the hold would run out, and its budget be free again although it was used."""
    process = await settled_while_away(store)
    draining = asyncio.create_task(process.budgets.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    process.pipeline._away_until = None
    await draining
    (state,) = await store.process().budgets.states([RULE], "acme")
    assert (state.used, state.reserved) == (spend(30), spend(0))


async def test_an_exit_does_not_wait_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that stays away is left; the ledger has what was spent."""
    monkeypatch.setattr(budget_leases, "DRAIN_SECONDS", 0.01)
    process = await settled_while_away(store)
    async with asyncio.timeout(60):
        await process.budgets.drain()
    process.pipeline._away_until = None
    await process.budgets.drain()
    (state,) = await store.process().budgets.states([RULE], "acme")
    assert state.used == spend(30)


async def test_a_lost_store_waits_for_the_hold_of_a_long_stream(store: Store) -> None:
    """Another router must not give away what a stream holds whose tenant made no other call meanwhile."""
    process, other = store.process(), store.process()
    hold = await process.budgets.reserve([RULE], call_of(), spend(60))
    store.spending.record(store.clock.now(), call_of(), spend(1))
    store.advance(10)
    for _ in range(60):
        store.advance(10)
        await process.budgets.leases.turn()
    await store.redis.flushall()
    with pytest.raises(AmasError) as caught:
        await other.budgets.reserve([RULE], call_of(), spend(60))
    assert caught.value.reason == "BUDGETS_REBUILDING"
    await process.budgets.leases.turn()
    store.advance(GRACE_MS / 1000)
    with pytest.raises(AmasError) as caught:
        await other.budgets.reserve([RULE], call_of(), spend(60))
    assert caught.value.reason == "BUDGET_EXCEEDED"
    assert await process.budgets.settle(hold, spend(60))
