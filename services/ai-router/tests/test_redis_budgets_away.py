"""Redis or a caller that goes away while budgets are counted, and the round trips that calls share."""

from __future__ import annotations

import asyncio

import pytest
from amas_ai_router.adapters import budget_leases
from amas_ai_router.adapters.budget_scripts import LEASE_MS
from amas_ai_router.domain.budgets import Window
from amas_chassis import redis_pipeline
from amas_chassis.errors import ErrorKind

from .budget_fakes import PATIENCE, Process, Store, call_of, make_rule, refused, spend, state_of

pytestmark = pytest.mark.integration
LEASE = LEASE_MS / 1000


def counted_trips(process: Process) -> list[int]:
    """How many commands each round trip takes from now on."""
    trips: list[int] = []
    exchange = process.pipeline._exchange

    async def counted(commands: list[tuple[redis_pipeline.Word, ...]]) -> list[object]:
        trips.append(len(commands))
        return await exchange(commands)

    process.pipeline._exchange = counted  # type: ignore[method-assign]
    return trips


async def test_redis_away_refuses_and_settles_later(store: Store) -> None:
    """Without Redis nothing is reserved; what was spent is counted when it is back, once."""
    rule = make_rule(tokens=100)
    process = store.process()
    spent, given_back = [await process.budgets.reserve([rule], call_of(), spend(20)) for _ in range(2)]
    connect = process.pipeline._connection.connect
    await process.pipeline._connection.disconnect()

    async def refuse() -> None:
        raise ConnectionRefusedError

    process.pipeline._connection.connect = refuse  # type: ignore[method-assign]
    error = await refused(process.budgets.reserve([rule], call_of(), spend(1)))
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "BUDGETS_UNAVAILABLE")
    assert await process.budgets.settle(spent, spend(15))
    await process.budgets.release(given_back)
    await process.budgets.leases.turn()
    process.pipeline._connection.connect = connect  # type: ignore[method-assign]
    store.advance(redis_pipeline.RETRY_SECONDS)
    await process.budgets.leases.turn()
    state = await state_of(store, rule)
    assert (state.used, state.reserved) == (spend(15), spend(0))
    assert len(process.budgets.leases) == 0


async def test_a_hung_redis_is_given_up_in_time(store: Store) -> None:
    """A Redis that does not answer is away after the time-out, and the next call does not wait for it."""
    rule, process = make_rule(tokens=100), store.process()
    hold = await process.budgets.reserve([rule], call_of(), spend(20))
    trips = counted_trips(process)
    process.pipeline._timeout = redis_pipeline.TIMEOUT_SECONDS
    # For far longer than any time-out; what may write waits, and what lets it go on does not.
    await store.redis.client_pause(600_000, all=False)
    try:
        async with asyncio.timeout(PATIENCE):
            error = await refused(process.budgets.reserve([rule], call_of(), spend(1)))
            assert error.reason == "BUDGETS_UNAVAILABLE"
            assert len(trips) == 1
            assert await process.budgets.settle(hold, spend(20))
            assert len(trips) == 1
    finally:
        await store.redis.client_unpause()
    process.pipeline._timeout = PATIENCE
    store.advance(redis_pipeline.RETRY_SECONDS)
    await process.budgets.leases.turn()
    state = await state_of(store, rule)
    assert (state.used, state.reserved) == (spend(20), spend(0))


async def test_a_call_that_is_cancelled_while_it_reserves_holds_nothing(store: Store) -> None:
    """A client that goes away while Redis is asked leaves nothing behind."""
    rule, process = make_rule(tokens=100), store.process()
    await process.spend([rule], call_of(), spend(0))
    task = asyncio.create_task(process.budgets.reserve([rule], call_of(), spend(50)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await process.budgets.leases.turn()
    assert (await state_of(store, rule)).reserved == spend(0)


async def test_a_settlement_whose_caller_goes_away_counts_once(store: Store) -> None:
    """Cancelled or not, what was spent is counted, and the hold is renewed no more."""
    rule, process = make_rule(tokens=100), store.process()
    hold = await process.budgets.reserve([rule], call_of(), spend(50))
    task = asyncio.create_task(process.budgets.settle(hold, spend(30)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await process.budgets.leases.turn()
    state = await state_of(store, rule)
    assert (state.used, state.reserved, len(process.budgets.leases)) == (spend(30), spend(0), 0)


async def test_what_was_told_as_settled_counts_in_any_case(store: Store) -> None:
    """Redis away for longer than a lease: the spending is in the ledger, so the counter must not be below it."""
    rule, process, other = make_rule(tokens=10), store.process(), store.process()
    hold = await process.budgets.reserve([rule], call_of(), spend(10))
    process.pipeline._away_until = float("inf")
    assert await process.budgets.settle(hold, spend(10))
    store.advance(LEASE + 1)
    await other.spend([rule], call_of(), spend(5))
    process.pipeline._away_until = None
    await process.budgets.leases.turn()
    assert (await state_of(store, rule)).used == spend(15)
    assert (await refused(other.budgets.reserve([rule], call_of(), spend(1)))).metadata["remaining_tokens"] == "0"


async def test_a_hold_is_not_renewed_for_ever(store: Store) -> None:
    """A hold that nobody settles is given up after the longest call."""
    rule, process = make_rule(tokens=100, window=Window.MONTH), store.process()
    await process.budgets.reserve([rule], call_of(), spend(50))
    store.advance(10)
    await process.budgets.leases.turn()
    assert len(process.budgets.leases) == 1
    store.advance(3_600)
    await process.budgets.leases.turn()
    assert len(process.budgets.leases) == 0
    assert (await state_of(store, rule)).reserved == spend(0)


async def test_calls_share_round_trips(store: Store) -> None:
    """What gathers while one round trip is under way goes with the next."""
    rule, process = make_rule(tokens=1000), store.process()
    await process.spend([rule], call_of(), spend(0))
    trips = counted_trips(process)
    await asyncio.gather(*(process.budgets.reserve([rule], call_of(), spend(1)) for _ in range(100)))
    assert len(trips) <= 100 / redis_pipeline.MAX_BATCH + 1
    assert (await state_of(store, rule)).reserved == spend(100)


async def test_scripts_that_redis_forgot_are_given_again(store: Store) -> None:
    """A restarted Redis knows no scripts."""
    rule, process = make_rule(tokens=10), store.process()
    hold = await process.budgets.reserve([rule], call_of(), spend(1))
    await store.redis.script_flush()
    assert await process.budgets.settle(hold, spend(1))


async def test_what_waits_for_redis_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much to do later gives up the oldest; the ledger still has it."""
    monkeypatch.setattr(budget_leases, "MAX_LATER", 2)
    rule, process = make_rule(tokens=10), store.process()
    holds = [await process.budgets.reserve([rule], call_of(), spend(1)) for _ in range(3)]
    process.pipeline._away_until = float("inf")
    for hold in holds:
        assert await process.budgets.settle(hold, spend(1))
    process.pipeline._away_until = None
    await process.budgets.leases.turn()
    assert (await state_of(store, rule)).used == spend(2)
