"""The ledger's sums for counters that are to begin: read once for all who wait for the same, within a bound."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from amas_chassis.errors import AmasError

from amas_ai_router.domain.budget_errors import budgets_unavailable
from amas_ai_router.domain.budgets import Amount, BudgetRule, Window
from amas_ai_router.ports import Spending

from .budget_counters import MAX_HOLD_SECONDS, Counter

# The ledger's answer is taken within this time; below the span in which settlements count as not in the ledger yet.
TIMEOUT_SECONDS = 5.0
# A tenant without calls for so long (seconds) holds nothing either, not even for a stream that began after its last
# call: it is new to an empty store, and need not wait.
QUIET_SECONDS = MAX_HOLD_SECONDS
# Counts every call of a tenant.
_ALL = BudgetRule("", None, None, None, None, None, Window.DAY, None, "", None, ())


class LedgerSums:
    """Sums by counter."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending
        self._reading: dict[str, asyncio.Task[Amount]] = {}

    async def of(self, counters: list[Counter], tenant: str) -> dict[str, Amount]:
        """What each counter's calls have used. Raises BUDGETS_UNAVAILABLE if the ledger cannot say."""
        return {counter.key: await self._one(counter, tenant) for counter in counters}

    async def quiet(self, tenant: str, now: datetime) -> bool:
        """Whether the tenant had no calls lately."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            used = await self._spending.spent(_ALL, tenant, "", now - timedelta(seconds=QUIET_SECONDS))
        return not used.tokens

    async def _one(self, counter: Counter, tenant: str) -> Amount:
        reading = self._reading.get(counter.key)
        if reading is None:
            reading = self._reading[counter.key] = asyncio.create_task(self._read(counter, tenant))
            reading.add_done_callback(lambda _: self._reading.pop(counter.key, None))
        try:
            # Others may wait for the same when this caller is cancelled.
            return await asyncio.shield(reading)
        except (AmasError, TimeoutError) as error:
            raise budgets_unavailable() from error

    async def _read(self, counter: Counter, tenant: str) -> Amount:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._spending.spent(counter.rule, tenant, counter.subject, counter.span.start)
