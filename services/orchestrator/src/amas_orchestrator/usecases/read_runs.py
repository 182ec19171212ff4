"""Shows runs to those of their tenant."""

from __future__ import annotations

from amas_chassis.pagination import decode_token, encode_token

from amas_orchestrator.domain.errors import run_not_found
from amas_orchestrator.domain.model import Principal, Run, RunState
from amas_orchestrator.ports import RunStore

DEFAULT_PAGE = 50
LARGEST_PAGE = 1_000


class ReadRuns:
    """Gets and lists runs."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs

    async def get(self, principal: Principal, run_id: str) -> Run:
        """One run with its steps; NOT_FOUND also for a run of another tenant."""
        run = await self._runs.get(principal.tenant, run_id)
        if run is None:
            raise run_not_found(run_id)
        return run

    async def page(
        self, principal: Principal, orchestration: str, state: RunState | None, size: int, token: str
    ) -> tuple[list[Run], str]:
        """A page of runs, newest first, and the token of the next page (empty at the end)."""
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        before = str(decode_token(token).get("before", ""))
        runs = await self._runs.page(principal.tenant, orchestration, state, size + 1, before)
        more = len(runs) > size
        return runs[:size], encode_token({"before": runs[size - 1].id}) if more else ""
