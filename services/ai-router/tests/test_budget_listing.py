"""ListBudgets: whose budgets are shown, how they look on the wire, and their pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from amas_ai_router.domain.budgets import BudgetRule, BudgetState, Per, Window
from amas_ai_router.domain.routing import Routing
from amas_ai_router.entrypoints.translate_budgets import budget_state
from amas_ai_router.usecases.list_budgets import ListBudgets
from amas_chassis.errors import AmasError

from .budget_fakes import call_of, make_rule, spend

RULES = (
    make_rule("b-day", cost="50", tokens=1000),
    make_rule("a-roles", tokens=10, per=Per.ROLE),
    make_rule("foreign", tokens=10, tenant="other"),
    make_rule("of-all", tokens=10, tenant=None, role="writer"),
)
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)


class Known:
    """Routing that is always known."""

    async def run(self, digest: str) -> Routing:
        return Routing(digest, {}, {}, RULES, frozenset())


class Counted:
    """Three subjects where a rule has subjects."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], str]] = []

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        self.asked.append(([rule.name for rule in rules], tenant))
        return [
            BudgetState(rule, subject, START, END, spend(7, "0.25"), spend(3, "0.5"))
            for rule in rules
            for subject in (("z", "a", "m") if rule.per else ("",))
        ]


def use_case() -> tuple[ListBudgets, Counted]:
    """Over the fakes."""
    counted = Counted()
    return ListBudgets(Known(), counted), counted  # type: ignore[arg-type]


async def test_a_tenant_sees_its_own_budgets() -> None:
    """Another tenant's rule is not even asked for."""
    listing, counted = use_case()
    page = await listing.run(call_of())
    assert [(state.rule.name, state.subject) for state in page.states] == [
        ("a-roles", "a"),
        ("a-roles", "m"),
        ("a-roles", "z"),
        ("b-day", ""),
        ("of-all", ""),
    ]
    assert counted.asked == [(["b-day", "a-roles", "of-all"], "acme")]
    assert page.next_page_token == ""


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_pages_hold_everything_once(size: int) -> None:
    """Page by page, nothing is left out or shown twice."""
    listing, _ = use_case()
    seen, token = [], ""
    for _ in range(10):
        page = await listing.run(call_of(), page_size=size, page_token=token)
        assert len(page.states) <= size
        seen += [(state.rule.name, state.subject) for state in page.states]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 5


async def test_one_budget_by_its_name() -> None:
    """A name asks for one; a name that nobody has is an empty page, and asks nobody."""
    listing, counted = use_case()
    assert [state.rule.name for state in (await listing.run(call_of(), "b-day")).states] == ["b-day"]
    for hidden in ("foreign", "unknown"):
        assert (await listing.run(call_of(), hidden)).states == []
    assert len(counted.asked) == 1


async def test_a_page_token_belongs_to_its_question() -> None:
    """A token of another question is refused."""
    listing, _ = use_case()
    token = (await listing.run(call_of(), page_size=1)).next_page_token
    with pytest.raises(AmasError) as caught:
        await listing.run(call_of(), "b-day", page_token=token)
    assert caught.value.reason == "PAGE_TOKEN_INVALID"


def test_money_travels_as_decimal_text() -> None:
    """Limits, used and reserved; what a budget does not bound is unset, as is the renewal of a run's."""
    rule = make_rule("b", cost="50.00", tokens=1000)
    message = budget_state(BudgetState(rule, "", START, END, spend(7, "0.00000001"), spend(3, "0.50")))
    assert (message.cost_limit.amount, message.cost_limit.currency) == ("50", "USD")
    assert (message.cost_used.amount, message.cost_reserved.amount) == ("0.00000001", "0.5")
    assert (message.token_limit, message.tokens_used, message.tokens_reserved) == (1000, 7, 3)
    assert message.renews_at.ToDatetime(UTC) == END
    run = make_rule("r", tokens=5, window=Window.RUN)
    message = budget_state(BudgetState(run, "r1", None, None, spend(1), spend(0)))
    assert not message.HasField("cost_limit")
    assert not message.HasField("renews_at")
    assert not message.HasField("window_start")
    assert message.window == "run"
    assert Decimal(message.token_limit) == 5
