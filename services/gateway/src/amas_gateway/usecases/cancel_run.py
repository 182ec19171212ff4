"""Cancels a run: one's own, or any of the tenant for a platform-admin."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import Principal, Run
from amas_gateway.ports import Runs

from .get_run import GetRun


@dataclass(frozen=True, slots=True)
class CancelRun:
    runs: Runs

    async def __call__(self, principal: Principal, run_id: str, reason: str = "") -> Run:
        await GetRun(self.runs).for_action(principal, run_id, Action.RUN_CANCEL)
        return await self.runs.cancel(principal, run_id, reason)
