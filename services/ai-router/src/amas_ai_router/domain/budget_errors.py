"""What a budget says no with."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind

from .budgets import Amount, BudgetRule
from .pricing import format_cost


def budget_exceeded(rule: BudgetRule, left: Amount, renews_at: str) -> AmasError:
    """The call would cost more than is left; `renews_at` is RFC 3339, empty for a budget that never renews."""
    return AmasError(
        ErrorKind.RESOURCE_EXHAUSTED,
        "BUDGET_EXCEEDED",
        f"the budget {rule.name} has too little left for this call",
        metadata={
            "budget": rule.name,
            "window": rule.window.value,
            "remaining_cost": format_cost(left.cost) if rule.cost is not None else "",
            "currency": rule.currency,
            "remaining_tokens": str(left.tokens) if rule.tokens is not None else "",
            "renews_at": renews_at,
        },
    )


def budgets_unavailable() -> AmasError:
    """The counters cannot be asked: what a budget covers does not happen."""
    return AmasError(ErrorKind.UNAVAILABLE, "BUDGETS_UNAVAILABLE", "the budgets cannot be asked", retry_after=1.0)


def budgets_rebuilding(wait: float) -> AmasError:
    """The counters were lost; `wait` seconds are given to all routers to say what they hold."""
    return AmasError(
        ErrorKind.UNAVAILABLE, "BUDGETS_REBUILDING", "the budgets are being counted again", retry_after=wait
    )


def price_missing(target: str, rule: BudgetRule) -> AmasError:
    """A budget in money cannot bound what has no price in its currency."""
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        "PRICE_MISSING",
        f"the model has no price in {rule.currency}, and the budget {rule.name} counts in it",
        metadata={"target": target, "budget": rule.name, "currency": rule.currency},
    )
