"""One run from its start to its end: the graph is walked, and the end is on the record before anybody sees it.

This is the body of the run's durable workflow. It must be deterministic: what it decides depends on the bundle, the
input and checkpoints alone, so that a replay after a crash or by another executor takes the same way.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_governance.bundle import Bundle
from amas_governance.canonical import parse_json
from amas_governance.expressions import ExpressionError, evaluate
from amas_governance.resources import Orchestration
from amas_governance.revocations import REVOKED

from amas_orchestrator.domain.errors import OwnershipLost
from amas_orchestrator.domain.events import MAX_RECORDED, AuditRecord, recorded_output, run_state_changed
from amas_orchestrator.domain.model import Json, Reason, Run, RunState, StepResult, StepState, Usage
from amas_orchestrator.ports import ApprovalStore, BundleStore, Cancellations, Durable, Metrics, RunStore

from .patience import Patience
from .run_step import StepRunner
from .show_answers import ShowAnswers
from .step_job import Pending, Workplace
from .walk_graph import Walk, spawned_job
from .write_record import Recorder

_log = logging.getLogger(__name__)


class RunOrchestration:
    """Runs of one process."""

    def __init__(
        self,
        runs: RunStore,
        approvals: ApprovalStore,
        bundles: BundleStore,
        steps: StepRunner,
        recorder: Recorder,
        answers: ShowAnswers,
        patience: Patience,
        cancellations: Cancellations,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._runs = runs
        self._approvals = approvals
        self._bundles = bundles
        self._steps = steps
        self._recorder = recorder
        self._answers = answers
        self._patience = patience
        self._cancellations = cancellations
        self._clock = clock
        self._metrics = metrics

    async def run(self, run_id: str, durable: Durable) -> Json:
        """The workflow of a run."""
        run = await self._begin(run_id)
        if run is None or run.state.ended:
            return {}
        with self._cancellations.watch(run.id) as cancel:
            if run.cancel:
                cancel.set()
            pending = Pending([_run_started(run)])
            place = Workplace(durable, cancel)
            try:
                outcome = await self._walk(run, place, pending)
                await durable.step("end", lambda: self._finish(run, place, pending, outcome))
            except AmasError as error:
                outcome = _Outcome(RunState.FAILED, _started(run), Reason(error.reason, error.message))
                await self._finish(run, place, pending, outcome)
            except Exception:
                # Whatever it is, a run must not hang for ever in a state that says it is being worked on.
                _log.exception("a run failed by our own fault", extra={"run_id": run.id})
                reason = Reason("INTERNAL", "the run failed because of an internal error")
                await self._finish(run, place, pending, _Outcome(RunState.FAILED, _started(run), reason))
        return {}

    async def run_spawned(self, arguments: Json, durable: Durable) -> Json:
        """The workflow of one step that runs beside others; answers a StepResult."""
        run = await self._begin(arguments["run_id"])
        if run is None or run.state.ended:
            raise OwnershipLost(f"the run {arguments['run_id']} has ended")
        bundle, orchestration = await self._pinned(run)
        with self._cancellations.watch(run.id) as cancel:
            if run.cancel:
                cancel.set()
            pending = Pending()
            job = spawned_job(run, bundle, orchestration, arguments)
            result = await self._steps.run(job, Workplace(durable, cancel), pending)
            await self._recorder.flush(run, pending, cancel)
        return result.to_dict()

    async def _begin(self, run_id: str) -> Run | None:
        now = self._clock.now()
        return await self._patience.record("database", lambda: self._runs.begin(run_id, now))

    async def _pinned(self, run: Run) -> tuple[Bundle, Orchestration]:
        bundle = await self._patience.record("database", lambda: self._bundles.pinned(run.tenant, run.bundle))
        orchestration = bundle.orchestration(run.orchestration) if bundle else None
        if bundle is None or orchestration is None:
            raise LookupError(f"the bundle {run.bundle} of the run {run.id} is gone")
        return bundle, orchestration

    async def _walk(self, run: Run, place: Workplace, pending: Pending) -> _Outcome:
        bundle, orchestration = await self._pinned(run)
        walk = Walk(run, bundle, orchestration, place, pending, self._steps, self._recorder)
        results = await walk.go(on_stop=lambda: self._stop_siblings(run, place))
        usage = Usage()
        for result in results.values():
            usage += result.usage
        at = max((result.ended_at for result in results.values()), default=_started(run))
        stopped = walk.first_stop(results)
        if stopped is not None:
            state, reason = _stopped(orchestration, *stopped)
            return _Outcome(state, at, reason, usage=usage)
        if place.cancel.is_set() and len(results) < len(orchestration.spec.steps):
            return _Outcome(RunState.CANCELLED, at, _cancelled(run), usage=usage)
        try:
            output = evaluate(orchestration.spec.output, walk.scope(results))
        except ExpressionError as error:
            return _Outcome(RunState.FAILED, at, Reason("OUTPUT_EXPRESSION_FAILED", str(error)), usage=usage)
        label = walk.origins(results).label(orchestration.spec.output).to_dict()
        shown = json.dumps(output, ensure_ascii=False)
        return _Outcome(RunState.SUCCEEDED, at, output=shown, label=label, usage=usage)

    async def _stop_siblings(self, run: Run, place: Workplace) -> None:
        """Stops what runs beside a step that ended the run; those that wait for humans are woken by the reminder."""
        place.cancel.set()
        await self._patience.record("database", lambda: self._approvals.cancel_pending(run.id))

    async def _finish(self, run: Run, place: Workplace, pending: Pending, outcome: _Outcome) -> Json:
        """The last durable step: the end is acknowledged by audit, and only then shown."""
        state, reason, output, told = outcome.state, outcome.reason, outcome.output, None
        if state is RunState.CANCELLED:
            run = await self._begin(run.id) or run
            state, reason, told = *_told_to_end(run), run.cancel
        if output and (refusal := await self._answers.refusal(run, output)) is not None:
            state, reason, output = RunState.FAILED, refusal, ""
        data = {
            "state": state.value,
            "reason": reason.to_dict() if reason else None,
            "usage": outcome.usage.to_dict(),
            "orchestration": run.orchestration,
            "label": outcome.label,
            "told": told,
            **(recorded_output(json.loads(output)) if output else {}),
        }
        pending.records.append(AuditRecord(f"run-ended:{run.id}", "dev.amas.run.ended", outcome.at, data=data))
        pending.events.append(
            run_state_changed("ended", outcome.at, state, reason=reason, output_json=output, usage=outcome.usage)
        )
        await self._recorder.flush(run, pending, None)
        seconds = (self._clock.now() - run.created_at).total_seconds()
        self._metrics.run_ended(state.value, seconds, outcome.usage.to_dict())
        return {"at": self._clock.now().isoformat()}


class _Outcome:
    """How a run ends. `at` is the time of its last checkpoint, so that a repetition says the same."""

    def __init__(
        self,
        state: RunState,
        at: datetime,
        reason: Reason | None = None,
        *,
        output: str = "",
        label: Json | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.state, self.at, self.reason = state, at, reason
        self.output, self.label, self.usage = output, label, usage or Usage()


def _stopped(orchestration: Orchestration, name: str, result: StepResult) -> tuple[RunState, Reason | None]:
    """State and reason of a run that a step ended."""
    step = orchestration.spec.step(name)
    if result.state is StepState.CANCELLED:
        return RunState.CANCELLED, result.reason
    if result.state is StepState.REJECTED and step is not None and step.on_rejected == "end":
        return RunState.REJECTED, result.reason
    reason = result.reason or Reason("STEP_FAILED", "the step failed")
    return RunState.FAILED, Reason(reason.code, f"step {name}: {reason.message}")


def _told_to_end(run: Run) -> tuple[RunState, Reason]:
    """State and reason of a run that was ended from outside: somebody cancelled it, or something of it was revoked."""
    told = run.cancel or {}
    if told.get("revoked"):
        return RunState.FAILED, Reason(REVOKED, str(told.get("reason", "")))
    return RunState.CANCELLED, _cancelled(run)


def _cancelled(run: Run) -> Reason:
    by, why = (run.cancel or {}).get("by", ""), (run.cancel or {}).get("reason", "")
    said = f"{by} cancelled the run" if by else "the run was cancelled"
    return Reason("RUN_CANCELLED", f"{said}: {why}" if why else said)


def _started(run: Run) -> datetime:
    return run.started_at or run.created_at


def _run_started(run: Run) -> AuditRecord:
    size = len(run.input_json.encode())
    data = {
        "orchestration": run.orchestration,
        "orchestration_version": run.orchestration_version,
        "input_bytes": size,
        "requester": run.principal.subject,
        # What a replay begins with (invariant I10).
        "principal": run.principal.to_dict(),
        "created_at": run.created_at.isoformat(),
        "input": parse_json(run.input_json) if size <= MAX_RECORDED else None,
    }
    return AuditRecord(f"run-started:{run.id}", "dev.amas.run.started", _started(run), data=data)
