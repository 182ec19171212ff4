"""Counts how actions end against the error budgets; once for each idempotency key.

It never fails an action: what has happened has happened. What cannot be counted now is kept, and counted before the
next level is told (a governed action needs the same store, so nothing governed happens meanwhile).
"""

from __future__ import annotations

import collections
import logging

from amas_chassis.errors import AmasError

from amas_policy_sidecar.domain.autonomy import is_bad, subjects
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.domain.model import Decision, Outcome
from amas_policy_sidecar.ports import AutonomyStore, Count

# Counts kept while the store is away; with more than these the oldest is lost, and said so.
MAX_KEPT = 1024
# Denials that are the lowered autonomy itself: they burn nothing, or no budget would ever recover.
NOT_COUNTED = frozenset({"AUTONOMY_NONE", "APPROVERS_BUSY"})

_log = logging.getLogger(__name__)


class CountOutcome:
    """The counts of one process."""

    def __init__(self, store: AutonomyStore) -> None:
        self._store = store
        self._kept: collections.deque[tuple[str, str, tuple[Count, ...]]] = collections.deque()

    async def called(self, case: Case, key: str, outcome: Outcome) -> None:
        """A call came to its end."""
        await self._count(case, key, outcome, denied=False)

    async def denied(self, case: Case, key: str, decision: Decision) -> None:
        """An action was denied."""
        if not NOT_COUNTED.intersection(reason.code for reason in decision.reasons):
            await self._count(case, key, Outcome.NOT_CALLED, denied=True)

    async def flush(self) -> None:
        """Count what is kept; raises AmasError if the store does not answer."""
        while self._kept:
            tenant, key, counts = self._kept[0]
            await self._store.count(tenant, key, counts)
            # Counting again does nothing, so whoever else flushed it meanwhile did no harm.
            if self._kept and self._kept[0] == (tenant, key, counts):
                self._kept.popleft()

    async def _count(self, case: Case, key: str, outcome: Outcome, *, denied: bool) -> None:
        governed = subjects(case.contract) if case.contract is not None else ()
        if not governed:
            return
        counts = tuple(
            Count(subject, is_bad(outcome, denied=denied, subject=subject.name))
            for subject in governed
            # A denial is no work of the service, neither good nor bad.
            if not (denied and not is_bad(outcome, denied=True, subject=subject.name))
        )
        if len(self._kept) >= MAX_KEPT:
            self._kept.popleft()
            _log.error("an outcome is lost to the error budgets: the store has been away for too long")
        self._kept.append((case.context.principal.tenant, key, counts))
        try:
            await self.flush()
        except AmasError as error:
            _log.warning("an outcome is not counted yet", extra={"reason": error.reason})
