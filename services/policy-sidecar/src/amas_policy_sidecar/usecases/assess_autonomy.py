"""How much the acting roles may do by themselves now: asked before policy, which sees the answer.

A role whose contract says nothing of autonomy costs nothing here. The store of the levels is the quota's: when it does
not answer, the error goes through and the action does not happen, as without a quota (invariant I2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from amas_policy_sidecar.domain.autonomy import (
    SERVICE,
    Level,
    Standing,
    Subject,
    capacity,
    next_standing,
    remaining,
    subjects,
)
from amas_policy_sidecar.domain.case import Case
from amas_policy_sidecar.ports import AutonomyStore

from .count_outcome import CountOutcome

# Tries to change a level that somebody else changes at the same moment; who loses finds the level changed.
MAX_TRIES = 4


class AssessAutonomy:
    """Reads budgets and moves levels."""

    def __init__(self, store: AutonomyStore, counts: CountOutcome) -> None:
        self._store = store
        self._counts = counts

    async def __call__(self, case: Case) -> Mapping[str, Any] | None:
        """The policy's `autonomy`: levels of the strictest role and of the service, and the load on approvers."""
        if case.contract is None:
            raise RuntimeError("the contract check has not run")
        governed = subjects(case.contract)
        if not governed:
            return None
        # First what could not be counted before: a level never rests on less than is known.
        await self._counts.flush()
        tenant = case.context.principal.tenant
        seen = await asyncio.gather(*(self._standing(tenant, subject) for subject in governed))
        found = dict(zip((subject.name for subject in governed), seen, strict=True))
        service = found.pop(SERVICE)
        return {
            "role": _json(max(found.values(), key=lambda pair: (pair[0].level, -pair[1]))),
            "service": _json(service),
            "approvers": self._approvers(case),
        }

    async def _standing(self, tenant: str, subject: Subject) -> tuple[Standing, float]:
        for _ in range(MAX_TRIES):
            reading = await self._store.read(tenant, subject)
            share = remaining(subject.budget, reading.tally)
            after = next_standing(reading.standing, share, reading.now, subject.budget.window)
            if after == reading.standing or await self._store.move(tenant, subject, reading.standing, after):
                return after, share
        # Others move it all the time: the stricter of what it was and what it should be.
        level = max(after.level, reading.standing.level if reading.standing else Level.FULL)
        return Standing(level, reading.now), share

    def _approvers(self, case: Case) -> Mapping[str, Any] | None:
        if case.contract is None or case.approval is not None:
            # Who brings an approval asks nobody again.
            return None
        limit = capacity(case.contract.roles)
        return None if limit is None else {"waiting": case.context.approvals_waiting, "capacity": limit}


def _json(pair: tuple[Standing, float]) -> dict[str, Any]:
    standing, share = pair
    return {"level": standing.level.name.lower(), "remaining": share}
