"""Budgets in a real Redis: what is held, settled, given back, put back and built again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from amas_ai_router.adapters.budget_scripts import GRACE_MS, LEASE_MS
from amas_ai_router.adapters.budget_sums import QUIET_SECONDS
from amas_ai_router.domain.budgets import Per, Window
from amas_chassis.errors import ErrorKind

from .budget_fakes import Store, call_of, make_rule, refused, spend, state_of

pytestmark = pytest.mark.integration
LEASE = LEASE_MS / 1000
GRACE = GRACE_MS / 1000


async def test_what_is_held_counts_until_it_is_settled(store: Store) -> None:
    """A hold takes its most from the budget; settling gives the rest back, over all processes."""
    rule = make_rule(tokens=100)
    one, two = store.process().budgets, store.process().budgets
    hold = await one.reserve([rule], call_of(), spend(60))
    error = await refused(two.reserve([rule], call_of(), spend(41)))
    assert (error.kind, error.reason) == (ErrorKind.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED")
    assert error.metadata == {
        "budget": "b",
        "window": "day",
        "remaining_cost": "",
        "currency": "",
        "remaining_tokens": "40",
        "renews_at": "2026-03-12T00:00:00Z",
    }
    assert await one.settle(hold, spend(10))
    again = await two.reserve([rule], call_of(), spend(90))
    state = await state_of(store, rule)
    assert (state.used, state.reserved) == (spend(10), spend(90))
    assert (state.window_start, state.renews_at) == (
        datetime(2026, 3, 11, tzinfo=UTC),
        datetime(2026, 3, 12, tzinfo=UTC),
    )
    await two.release(again)
    assert (await state_of(store, rule)).reserved == spend(0)
    assert (len(one.leases), len(two.leases)) == (0, 0)


async def test_all_rules_or_none(store: Store) -> None:
    """A rule that refuses leaves nothing held under the others."""
    wide, narrow = make_rule("wide", tokens=100), make_rule("narrow", tokens=10)
    process = store.process()
    error = await refused(process.budgets.reserve([wide, narrow], call_of(), spend(11)))
    assert error.metadata["budget"] == "narrow"
    assert (await state_of(store, wide)).reserved == spend(0)


async def test_money_is_exact(store: Store) -> None:
    """A tenth of a hundred-millionth is rounded up; a limit is reached to the last unit and not passed by one."""
    rule = make_rule(cost="0.00000003")
    process = store.process()
    await process.spend([rule], call_of(), spend(0, "0.000000011"))
    error = await refused(process.budgets.reserve([rule], call_of(), spend(0, "0.000000011")))
    assert (error.metadata["remaining_cost"], error.metadata["currency"]) == ("0.00000001", "USD")
    await process.spend([rule], call_of(), spend(0, "0.00000001"))
    assert (await state_of(store, rule)).used.cost == Decimal("0.00000003")


@pytest.mark.parametrize(
    ("window", "seconds"),
    [(Window.HOUR, 1_800), (Window.DAY, 41_400), (Window.WEEK, 386_999 + 1), (Window.MONTH, 1_769_400)],
)
async def test_a_window_renews_by_the_time_of_redis(store: Store, window: Window, seconds: int) -> None:
    """The budget is whole again at the hour, midnight, Monday or first of the month (UTC), for wrong clocks too."""
    rule = make_rule(tokens=10, window=window)
    fast, slow = store.process(skew_seconds=3 * 86_400), store.process(skew_seconds=-40 * 86_400)
    await fast.spend([rule], call_of(), spend(10))
    store.advance(seconds - 2)
    error = await refused(slow.budgets.reserve([rule], call_of(), spend(1)))
    assert error.reason == "BUDGET_EXCEEDED"
    store.advance(4)
    await slow.spend([rule], call_of(), spend(10))
    assert (await refused(fast.budgets.reserve([rule], call_of(), spend(1)))).reason == "BUDGET_EXCEEDED"


async def test_a_hold_settles_into_the_window_that_it_was_made_in(store: Store) -> None:
    """A call over midnight costs the new day nothing."""
    rule = make_rule(tokens=10)
    process = store.process().budgets
    store.advance(41_400 - 5)
    hold = await process.reserve([rule], call_of(), spend(10))
    store.advance(10)
    assert await process.settle(hold, spend(10))
    assert (await state_of(store, rule)).used == spend(0)


async def test_subjects_have_budgets_of_their_own(store: Store) -> None:
    """`per` and a window of `run` count each value apart, and the list names each."""
    roles = make_rule("roles", tokens=10, per=Per.ROLE)
    runs = make_rule("runs", tokens=10, window=Window.RUN)
    both = make_rule("both", tokens=10, window=Window.RUN, per=Per.ROLE)
    process = store.process()
    for run_id, role in (("r1", "writer"), ("r2", "reader")):
        await process.spend([roles, runs, both], call_of(run_id, role), spend(10))
    assert (await refused(process.budgets.reserve([roles], call_of("r3", "writer"), spend(1)))).metadata[
        "window"
    ] == "day"
    error = await refused(process.budgets.reserve([runs], call_of("r1", "other"), spend(1)))
    assert error.metadata["renews_at"] == ""
    states = await process.budgets.states([roles, runs, both], "acme")
    assert [(state.rule.name, state.subject, state.used.tokens) for state in states] == [
        ("roles", "reader", 10),
        ("roles", "writer", 10),
        ("runs", "r1", 10),
        ("runs", "r2", 10),
        ("both", "r1/writer", 10),
        ("both", "r2/reader", 10),
    ]
    assert await process.budgets.states([roles], "another") == []


async def test_tenants_never_meet(store: Store) -> None:
    """The same rule, the same run: two tenants have two budgets, whatever their names say."""
    rule = make_rule(tokens=10, tenant=None, role="r")
    process = store.process()
    for tenant in ("acme", "acme}", "{acme", "acme}:used", ""):
        context = call_of("run", "r")
        context = replace(context, principal=replace(context.principal, tenant=tenant))
        await process.spend([rule], context, spend(10))


async def test_a_dead_process_gives_back_within_the_lease(store: Store) -> None:
    """What a process held that renews no more is free after the lease, and not before; a living one keeps its hold."""
    rule = make_rule(tokens=10)
    dead, living = store.process().budgets, store.process().budgets
    await dead.reserve([rule], call_of(), spend(5))
    kept = await living.reserve([rule], call_of(), spend(5))
    for _ in range(3):
        store.advance(LEASE / 3 - 0.1)
        await living.leases.turn()
    assert (await refused(living.reserve([rule], call_of(), spend(5)))).reason == "BUDGET_EXCEEDED"
    store.advance(0.5)
    await living.reserve([rule], call_of(), spend(5))
    assert await living.settle(kept, spend(5))


async def test_a_late_settlement_counts_if_it_still_fits(store: Store) -> None:
    """A hold that ran out counts where there is room, and else nothing; either way only once."""
    rule = make_rule(tokens=10)
    process, other = store.process().budgets, store.process().budgets
    fits, fits_not = [await process.reserve([rule], call_of(), spend(5)) for _ in range(2)]
    store.advance(LEASE + 1)
    await other.reserve([rule], call_of(), spend(5))
    assert await process.settle(fits, spend(5))
    assert not await process.settle(fits_not, spend(5))
    assert await process.settle(fits, spend(5))
    assert (await state_of(store, rule)).used == spend(5)


async def test_a_flushed_redis_is_built_again_from_the_ledger(store: Store) -> None:
    """After a flush nothing new is held until all have put back what they hold; then the ledger's sum counts."""
    rule = make_rule(tokens=100)
    one, two = store.process(), store.process()
    context = call_of()
    await one.spend([rule], context, spend(30))
    store.spending.record(store.clock.now(), context, spend(30))
    hold = await one.budgets.reserve([rule], context, spend(40))
    await store.redis.flushall()
    error = await refused(two.budgets.reserve([rule], context, spend(31)))
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "BUDGETS_REBUILDING")
    assert error.retry_after == pytest.approx(GRACE, abs=1)
    await one.budgets.leases.turn()
    store.advance(GRACE + 0.1)
    assert (await refused(two.budgets.reserve([rule], context, spend(31)))).metadata["remaining_tokens"] == "30"
    assert await one.budgets.settle(hold, spend(40))
    assert (await state_of(store, rule)).used == spend(70)


async def test_what_is_settled_while_counters_are_lost_counts(store: Store) -> None:
    """A settlement in the grace is never forgotten; when it stands in the ledger for long it is not counted twice."""
    rule = make_rule(tokens=100)
    process, context = store.process(), call_of()
    await process.spend([rule], context, spend(10))
    store.spending.record(store.clock.now(), context, spend(10))
    holds = [await process.budgets.reserve([rule], context, spend(20)) for _ in range(2)]
    await store.redis.flushall()
    assert await process.budgets.settle(holds[0], spend(20))
    store.spending.record(store.clock.now(), context, spend(20))
    await process.budgets.leases.turn()
    store.advance(GRACE + 5)
    await process.budgets.leases.turn()
    assert (await refused(process.budgets.reserve([rule], context, spend(51)))).metadata["remaining_tokens"] == "50"
    assert await process.budgets.settle(holds[1], spend(20))
    assert (await state_of(store, rule)).used == spend(50)


async def test_a_settlement_that_the_ledger_does_not_have_yet_counts(store: Store) -> None:
    """Settled just before a lost counter is begun again: the ledger's sum is without it, so it is added."""
    rule = make_rule(tokens=100)
    process, context = store.process(), call_of()
    holds = [await process.budgets.reserve([rule], context, spend(20)) for _ in range(2)]
    store.spending.record(store.clock.now(), context, spend(10))
    await store.redis.flushall()
    await process.budgets.leases.turn()
    store.advance(GRACE - 1)
    await process.budgets.leases.turn()
    assert await process.budgets.settle(holds[0], spend(20))
    store.advance(1.1)
    error = await refused(process.budgets.reserve([rule], context, spend(51)))
    assert error.metadata["remaining_tokens"] == "50"


async def test_a_server_that_started_again_is_not_trusted(store: Store) -> None:
    """Counters of an older snapshot are not believed, although they are there: the ledger is asked."""
    rule = make_rule(tokens=100)
    process, context = store.process(), call_of()
    await process.spend([rule], context, spend(1))
    store.spending.record(store.clock.now(), context, spend(60))
    (marker,) = await store.redis.keys("*:whole")
    ready = (await store.redis.get(marker)).split()[1]
    await store.redis.set(marker, b"anotherserver " + ready)
    (key,) = await store.redis.keys("*:used:*")
    await store.redis.hset(key, "b", "anotherserver")
    assert (await refused(process.budgets.reserve([rule], context, spend(1)))).reason == "BUDGETS_REBUILDING"
    store.advance(GRACE + 0.1)
    assert (await refused(process.budgets.reserve([rule], context, spend(41)))).metadata["remaining_tokens"] == "40"


async def test_a_new_counter_begins_with_what_the_ledger_knows(store: Store) -> None:
    """A budget that is made in the middle of a day counts the morning too; the ledger is asked once a counter."""
    store.spending.record(store.clock.now(), call_of(), spend(90))
    rule, process = make_rule(tokens=100), store.process()
    store.advance(QUIET_SECONDS + 60)
    results = await asyncio.gather(
        *(process.budgets.reserve([rule], call_of(), spend(6)) for _ in range(3)), return_exceptions=True
    )
    assert sorted(getattr(result, "reason", "OK") for result in results) == ["BUDGET_EXCEEDED", "BUDGET_EXCEEDED", "OK"]
    asked = store.spending.asked
    await refused(process.budgets.reserve([rule], call_of(), spend(6)))
    assert store.spending.asked == asked


async def test_no_ledger_no_reservation(store: Store) -> None:
    """A counter is never begun at zero for want of an answer."""
    store.spending.away = True
    error = await refused(store.process().budgets.reserve([make_rule(tokens=10)], call_of(), spend(1)))
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "BUDGETS_UNAVAILABLE")


async def test_alerts_are_given_once_over_all_processes(store: Store) -> None:
    """Each threshold once a window, with what is used; the share used is told after each settlement."""
    rule = make_rule(cost="1", tokens=1000, alert_at=(0.5, 0.8))
    one, two = store.process(), store.process()
    await one.spend([rule], call_of(), spend(1, "0.4"))
    assert store.alerts == []
    await two.spend([rule], call_of(), spend(499, "0.05"))
    await one.spend([rule], call_of(), spend(1, "0.5"))
    assert [(alert.share, alert.used) for alert in store.alerts] == [
        (0.5, spend(500, "0.45")),
        (0.8, spend(501, "0.95")),
    ]
    assert store.shares[-1] == ("acme", "b", 0.95)
    store.advance(86_400)
    await one.spend([rule], call_of(), spend(500))
    assert [alert.share for alert in store.alerts] == [0.5, 0.8, 0.5]
