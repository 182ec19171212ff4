"""Takes over the runs of executors that are gone: raises each run's fencing token, says so on the record, and resumes.

The order is the promise: once audit has the new token, the old executor's calls are refused where effects happen, and
only then does anybody go on. Done again after a crash in the middle, it only raises the token once more.
"""

from __future__ import annotations

import logging

from amas_chassis.clock import Clock

from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.ports import AuditLog, Engine, ExecutorStore, Metrics, RunStore

from .patience import Patience

_log = logging.getLogger(__name__)


class TakeOver:
    """Takes over what others left."""

    def __init__(
        self,
        executors: ExecutorStore,
        runs: RunStore,
        audit: AuditLog,
        engine: Engine,
        patience: Patience,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._executors = executors
        self._runs = runs
        self._audit = audit
        self._engine = engine
        self._patience = patience
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, executor_id: str, lease_seconds: float, *, only_released: bool) -> int:
        """How many runs were taken over."""
        count = 0
        for dead in await self._executors.claim_dead(executor_id, lease_seconds, only_released=only_released):
            count += await self._all_of(dead, executor_id)
            await self._executors.cleared(dead)
        return count

    async def orphans(self, executor_id: str) -> int:
        """The same for executors that took something up after they had been cleared, before they noticed."""
        at_work = await self._engine.executors_at_work()
        count = 0
        for dead in await self._executors.unknown(sorted(at_work)):
            count += await self._all_of(dead, executor_id)
        return count

    async def _all_of(self, dead: str, executor_id: str) -> int:
        stranded = await self._engine.stranded(dead)
        for run_id, workflows in stranded.items():
            await self._one(run_id, workflows, executor_id, dead)
        return len(stranded)

    async def _one(self, run_id: str, workflows: list[str], executor_id: str, dead: str) -> None:
        now = self._clock.now()
        run = await self._runs.take_over(run_id, now)
        if run is not None:
            data = {"fencing_token": run.fencing_token, "from": dead, "to": executor_id}
            record = AuditRecord(
                f"run-taken-over:{run.id}/{run.fencing_token}", "dev.amas.run.taken_over", now, data=data
            )
            token = run.fencing_token
            await self._patience.record("audit", lambda: self._audit.append(run, [record], token))
            self._metrics.taken_over()
            _log.info("took a run over", extra={"run_id": run_id, "from": dead, "token": token})
        await self._engine.resume(workflows)
