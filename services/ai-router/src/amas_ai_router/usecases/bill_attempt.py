"""Keeps attempts within budgets: the most is held before a provider is asked, and settled or given back after it.

Redis counts before the ledger is written: a process that dies between the two has counted too much, never too little.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from amas_chassis.clock import Clock

from amas_ai_router.domain.budgets import Amount, Hold
from amas_ai_router.domain.call_bounds import most_of, named_bound
from amas_ai_router.domain.model import CallReport, Operation, Target, Tokens, Usage
from amas_ai_router.domain.pricing import usage_of
from amas_ai_router.domain.records import LATE, LOST, CallRecord
from amas_ai_router.ports import Budgets, Ledger

from .admit_call import Admission
from .background import Background


def no_trace() -> str:
    """Outside a trace."""
    return ""


class BillAttempt:
    """One attempt, one hold. `trace_id` answers that of the current span."""

    def __init__(self, budgets: Budgets, ledger: Ledger, clock: Clock, trace_id: Callable[[], str] = no_trace) -> None:
        self._budgets = budgets
        self._ledger = ledger
        self._clock = clock
        self._trace_id = trace_id
        self._background = Background("an attempt could not be billed")

    async def begin(self, admission: Admission, target: Target) -> Hold | None:
        """Holds the most that an attempt at this target can use; None if no budget covers the call.

        Raises BUDGET_EXCEEDED, PRICE_MISSING, BODY_INVALID, or UNAVAILABLE if the budgets cannot be asked.
        """
        rules = admission.rules
        if not rules:
            return None
        most = most_of(admission.operation, admission.fields, target, rules, self._clock.now().date())
        return await self._budgets.reserve(rules, admission.context, most)

    def most_output_tokens(self, admission: Admission, target: Target) -> int | None:
        """The bound to put into a request that names none, so that the answer stays within what is held."""
        if not admission.rules or admission.operation is not Operation.CHAT:
            return None
        return target.max_output_tokens if named_bound(admission.fields) is None else None

    def nothing(self, hold: Hold | None) -> None:
        """Nothing was spent: gives the hold back, in the background."""
        if hold is not None:
            self._background.run(self._budgets.release(hold))

    def lost(self, admission: Admission, target: Target, hold: Hold | None, tokens: Tokens) -> None:
        """The request was sent and its answer lost: what it may have cost is counted, in the background."""
        self._background.run(self._lost(admission, target, hold, tokens, self._trace_id()))

    async def settle(self, hold: Hold | None, usage: Usage) -> bool:
        """Turns a hold into what was used. False: it had run out and what was used fits no more."""
        if hold is None:
            return True
        spent = Amount(usage.cost, usage.tokens.input + usage.tokens.output)
        if usage.tokens.estimated:
            # A count by size cannot be more than what was possible at all.
            spent = Amount(min(spent.cost, hold.most.cost), min(spent.tokens, hold.most.tokens))
        return await self._budgets.settle(hold, spent)

    async def drain(self) -> None:
        """Waits, bounded, for what goes on in the background."""
        await self._background.drain()

    async def _lost(
        self, admission: Admission, target: Target, hold: Hold | None, tokens: Tokens, trace_id: str
    ) -> None:
        now = self._clock.now()
        estimated = Tokens(tokens.input, tokens.cached_input, tokens.output, estimated=True)
        usage = usage_of(estimated, target.prices, now.date())
        outcome = LOST if await self.settle(hold, usage) else LATE
        report = CallReport(uuid.uuid4().hex, target.provider, target.model, usage, attempts=1, duration_ms=0)
        record = CallRecord(
            admission.context, admission.route.name, admission.operation, outcome, report, trace_id, now
        )
        await self._ledger.record(record, None, None)
