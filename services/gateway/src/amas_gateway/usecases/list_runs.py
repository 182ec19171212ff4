"""Lists the runs of the principal's tenant, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from amas_gateway.domain import tenancy
from amas_gateway.domain.model import FIRST_PAGE, Page, PageQuery, Principal, Run
from amas_gateway.ports import Runs


@dataclass(frozen=True, slots=True)
class ListRuns:
    runs: Runs

    async def __call__(
        self, principal: Principal, orchestration: str = "", state: int = 0, page: PageQuery = FIRST_PAGE
    ) -> Page[Run]:
        answer = await self.runs.list(principal, orchestration, state, page)
        for run in answer.items:
            tenancy.check(principal, run.tenant, "run")
        return answer
