"""Attempts and budgets: what is held, settled, given back, and put in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from amas_ai_router.domain.budget_errors import budgets_unavailable
from amas_ai_router.domain.budgets import Amount, BudgetRule, BudgetState, Hold
from amas_ai_router.domain.call_bounds import most_input
from amas_ai_router.domain.model import CallContext, Decision, Operation, Tokens, Usage
from amas_ai_router.domain.routing import compile_routing
from amas_ai_router.usecases.admit_call import Admission
from amas_ai_router.usecases.bill_attempt import BillAttempt
from amas_chassis.clock import ManualClock
from amas_chassis.errors import AmasError

from .budget_fakes import call_of, make_rule, spend
from .fakes import MESSAGES, make_bundle
from .memory_stores import MemoryLedger

RULES = (make_rule(cost="1", tokens=10_000),)


class RecordingBudgets:
    """Keeps what it was asked; `fits` says what a settlement answers."""

    def __init__(self) -> None:
        self.held: list[Amount] = []
        self.settled: list[Amount] = []
        self.released: list[Hold] = []
        self.fits = True
        self.away = False

    async def reserve(self, rules: Sequence[BudgetRule], context: CallContext, most: Amount) -> Hold:
        if self.away:
            raise budgets_unavailable()
        self.held.append(most)
        return Hold("h", context, tuple(rules), most, ("w",))

    async def settle(self, hold: Hold, spent: Amount) -> bool:
        self.settled.append(spent)
        return self.fits

    async def release(self, hold: Hold) -> None:
        await asyncio.sleep(0)
        self.released.append(hold)

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        return []


class World:
    """One attempt's surroundings."""

    def __init__(self, rules: tuple[BudgetRule, ...] = RULES, **fields: Any) -> None:
        self.budgets, self.ledger = RecordingBudgets(), MemoryLedger()
        clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
        self.bill = BillAttempt(self.budgets, self.ledger, clock, lambda: "t" * 32)
        route = compile_routing(make_bundle()).routes["default"]
        self.target = route.targets[0]
        self.admission = Admission(
            context=call_of("r", "writer"),
            operation=Operation.CHAT,
            route=route,
            role_version="1",
            fields={"messages": MESSAGES, **fields},
            decision=Decision("d", allowed=True),
            refusal=None,
            request_digest="",
            rules=rules,
        )


async def test_a_call_without_budgets_asks_nobody() -> None:
    """Redis away is nothing to a call that no rule covers."""
    world = World(rules=())
    world.budgets.away = True
    assert await world.bill.begin(world.admission, world.target) is None
    assert world.bill.most_output_tokens(world.admission, world.target) is None
    assert await world.bill.settle(None, Usage(Tokens(1, 0, 1), Decimal(1), "USD"))
    world.bill.nothing(None)
    await world.bill.drain()
    assert (world.budgets.settled, world.budgets.released) == ([], [])


async def test_the_most_is_held_and_the_used_is_settled() -> None:
    """Input by its bytes, output by its bound, at the target's prices."""
    world = World(max_tokens=100)
    hold = await world.bill.begin(world.admission, world.target)
    given = most_input(world.admission.fields)
    assert world.budgets.held == [spend(given + 100, str(Decimal(given + 200) / 1_000_000))]
    assert await world.bill.settle(hold, Usage(Tokens(10, 0, 5), Decimal("0.00002"), "USD"))
    assert world.budgets.settled == [spend(15, "0.00002")]


async def test_an_unbounded_request_gets_the_models_bound() -> None:
    """Else the answer could be longer than what is held for it."""
    world = World()
    assert world.bill.most_output_tokens(world.admission, world.target) == world.target.max_output_tokens
    bounded = World(max_tokens=3)
    assert bounded.bill.most_output_tokens(bounded.admission, bounded.target) is None


async def test_no_budgets_no_attempt() -> None:
    """Fail closed."""
    world = World()
    world.budgets.away = True
    with pytest.raises(AmasError) as caught:
        await world.bill.begin(world.admission, world.target)
    assert caught.value.reason == "BUDGETS_UNAVAILABLE"


async def test_a_hold_is_given_back_before_an_exit() -> None:
    """Releases go on in the background; draining waits for them."""
    world = World()
    hold = await world.bill.begin(world.admission, world.target)
    world.bill.nothing(hold)
    assert world.budgets.released == []
    await world.bill.drain()
    assert world.budgets.released == [hold]


@pytest.mark.parametrize(("fits", "outcome"), [(True, "lost"), (False, "late")])
async def test_a_lost_attempt_is_counted_and_on_record(fits: bool, outcome: str) -> None:
    """What a provider may have billed counts, marked as estimated; each under an id of its own."""
    world = World(max_tokens=100)
    world.budgets.fits = fits
    hold = await world.bill.begin(world.admission, world.target)
    for _ in range(2):
        world.bill.lost(world.admission, world.target, hold, Tokens(10, 0, 5))
    await world.bill.drain()
    assert world.budgets.settled == [spend(15, "0.00002")] * 2
    first, second = world.ledger.calls
    assert first.report.call_id != second.report.call_id
    assert (first.outcome, first.trace_id, first.route) == (outcome, "t" * 32, "default")
    assert (first.report.provider, first.report.usage.tokens.estimated) == ("p0", True)
    assert first.report.usage.cost == Decimal("0.00002")


async def test_a_lost_attempt_without_budgets_is_on_record() -> None:
    """The ledger tells the whole cost, budget or not."""
    world = World(rules=())
    world.bill.lost(world.admission, world.target, None, Tokens(10, 0, 5))
    await world.bill.drain()
    assert [call.outcome for call in world.ledger.calls] == ["lost"]


async def test_an_estimate_is_never_more_than_what_was_held() -> None:
    """A count by size is a guess; what is held is a bound."""
    world = World(max_tokens=1)
    hold = await world.bill.begin(world.admission, world.target)
    assert hold is not None
    await world.bill.settle(hold, Usage(Tokens(10**6, 0, 10**6, estimated=True), Decimal(3), "USD"))
    await world.bill.settle(hold, Usage(Tokens(10**6, 0, 10**6), Decimal(3), "USD"))
    assert world.budgets.settled == [hold.most, spend(2 * 10**6, "3")]


async def test_a_ledger_that_is_away_does_not_stop_the_count(caplog: pytest.LogCaptureFixture) -> None:
    """Redis first: what the ledger misses is counted all the same, and said."""
    world = World()
    world.ledger.away = True
    hold = await world.bill.begin(world.admission, world.target)
    world.bill.lost(world.admission, world.target, hold, Tokens(10, 0, 5))
    await world.bill.drain()
    assert len(world.budgets.settled) == 1
    assert "could not be billed" in caplog.text
