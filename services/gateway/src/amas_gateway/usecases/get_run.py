"""Answers one run of the principal's tenant."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import authorization, errors, tenancy
from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import Principal, Run
from amas_gateway.ports import Runs


@dataclass(frozen=True, slots=True)
class GetRun:
    runs: Runs

    async def __call__(self, principal: Principal, run_id: str) -> Run:
        run = await self.runs.get(principal, run_id)
        tenancy.check(principal, run.tenant, "run")
        return run

    async def for_action(self, principal: Principal, run_id: str, action: Action) -> Run:
        """The run, if the principal may do `action` to it. Raises PERMISSION_DENIED (NOT_OWNER) otherwise."""
        run = await self(principal, run_id)
        if run.requester != principal.subject and not authorization.reaches_any_run(principal, action):
            raise errors.not_owner()
        return run
