"""States of budgets as messages. Nothing is decided here."""

from __future__ import annotations

from decimal import Decimal

from amas.common.v1 import usage_pb2
from amas.router.v1 import router_pb2

from amas_ai_router.domain.budgets import BudgetState
from amas_ai_router.domain.pricing import format_cost


def budget_state(state: BudgetState) -> router_pb2.BudgetState:
    """One state; money is left out where the budget bounds none."""
    rule = state.rule
    message = router_pb2.BudgetState(
        name=rule.name,
        subject=state.subject,
        window=rule.window.value,
        token_limit=rule.tokens or 0,
        tokens_used=state.used.tokens,
        tokens_reserved=state.reserved.tokens,
    )
    if rule.cost is not None:
        message.cost_limit.CopyFrom(_money(rule.cost, rule.currency))
        message.cost_used.CopyFrom(_money(state.used.cost, rule.currency))
        message.cost_reserved.CopyFrom(_money(state.reserved.cost, rule.currency))
    if state.window_start is not None:
        message.window_start.FromDatetime(state.window_start)
    if state.renews_at is not None:
        message.renews_at.FromDatetime(state.renews_at)
    return message


def _money(amount: Decimal, currency: str) -> usage_pb2.Money:
    return usage_pb2.Money(amount=format_cost(amount), currency=currency)
