"""What a budget's calls have used, by the ledger: the truth from which counters in Redis are built again."""

from __future__ import annotations

from datetime import datetime

from amas_ai_router.domain.budgets import Amount, BudgetRule, selection_of

from .postgres_errors import postgres_errors
from .postgres_pool import Pool

# A late call is on record and counted nowhere. One text for each set of columns, so that the planner sees the index
# that serves: call_by_run where a run is named, call_by_time otherwise.
_SUM = """
SELECT coalesce(sum(cost) FILTER (WHERE currency = $2), 0) AS cost,
       coalesce(sum(input_tokens + output_tokens), 0)::bigint AS tokens
FROM call
WHERE tenant = $1 AND outcome <> 'late' AND ($3::timestamptz IS NULL OR created_at >= $3)
"""
_COLUMNS = ("run_id", "role", "principal", "client_id")


class PostgresSpending:
    """See ports.Spending."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def spent(self, rule: BudgetRule, tenant: str, subject: str, since: datetime | None) -> Amount:
        """See ports.Spending."""
        selection = selection_of(rule, subject)
        statement = _SUM
        values: list[object] = [tenant, rule.currency, since]
        for column in _COLUMNS:
            value = getattr(selection, column)
            if value is not None:
                values.append(value)
                statement += f" AND {column} = ${len(values)}"
        with postgres_errors():
            (row,) = await self._pool.fetch(statement, *values)
        return Amount(row["cost"], row["tokens"])
