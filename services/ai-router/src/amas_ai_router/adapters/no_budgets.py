"""A router that was told of no Redis: what a budget covers is refused, all else is not concerned."""

from __future__ import annotations

from collections.abc import Sequence

from amas_ai_router.domain.budget_errors import budgets_unavailable
from amas_ai_router.domain.budgets import Amount, BudgetRule, BudgetState, Hold
from amas_ai_router.domain.model import CallContext


class NoBudgets:
    """See ports.Budgets."""

    async def reserve(self, rules: Sequence[BudgetRule], context: CallContext, most: Amount) -> Hold:
        """Refuses."""
        raise budgets_unavailable()

    async def settle(self, hold: Hold, spent: Amount) -> bool:
        """Refuses; nobody can have a hold."""
        raise budgets_unavailable()

    async def release(self, hold: Hold) -> None:
        """Nothing is held."""

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        """Refuses."""
        raise budgets_unavailable()
