"""Cancels a run: notes it, withdraws its questions to humans, and wakes whatever waits. The run ends by itself."""

from __future__ import annotations

from amas_chassis.clock import Clock

from amas_orchestrator.domain.errors import refused, run_not_found
from amas_orchestrator.domain.model import Principal, Run, RunState
from amas_orchestrator.ports import RunStore

from .send_wakes import SendWakes


class CancelRun:
    """Cancels runs."""

    def __init__(self, runs: RunStore, wakes: SendWakes, clock: Clock) -> None:
        self._runs = runs
        self._wakes = wakes
        self._clock = clock

    async def __call__(self, principal: Principal, run_id: str, reason: str) -> Run:
        """The run as it stands; a cancelled one again is the same, one that ended otherwise is refused."""
        now = self._clock.now()
        run = await self._runs.request_cancel(principal.tenant, run_id, principal.subject, reason, now)
        if run is None:
            raise run_not_found(run_id)
        if run.state.ended and run.state is not RunState.CANCELLED:
            raise refused("RUN_ALREADY_ENDED", f"the run has {run.state} already")
        await self._wakes()
        return run
