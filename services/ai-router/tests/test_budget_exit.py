"""What budgets do before the process ends (I12): settlements that wait for Redis reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from amas_ai_router.adapters import budget_leases

from .budget_fakes import Process, Store, call_of, make_rule, spend

pytestmark = pytest.mark.integration
RULE = make_rule(tokens=100)


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """An empty Redis and an empty ledger."""
    made = await Store(redis_url).open()
    yield made
    await made.close()


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
    async with asyncio.timeout(2):
        await process.budgets.drain()
    process.pipeline._away_until = None
    await process.budgets.drain()
    (state,) = await store.process().budgets.states([RULE], "acme")
    assert state.used == spend(30)
