"""Walks an orchestration's graph: a step runs as soon as what it refers to is done; maps, branches and failures too.

A step that can never run beside another runs inside the run's own workflow, which saves four transactions; all others
run as workflows of their own, since a workflow's durable steps must come in one fixed order. Which it is follows from
the graph alone, never from who happened to be faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from amas_governance.bundle import Bundle
from amas_governance.canonical import parse_json
from amas_governance.expressions import ExpressionError, evaluate, names
from amas_governance.labels import Label
from amas_governance.provenance import TrustedValues
from amas_governance.resources import Orchestration, Step

from amas_orchestrator.domain.events import step_record, step_state_changed
from amas_orchestrator.domain.graph import plan
from amas_orchestrator.domain.model import Json, Reason, Run, StepResult, StepState
from amas_orchestrator.domain.origins import Origins

from .map_step import map_items
from .run_step import CANCELLED, StepRunner
from .step_job import Pending, StepJob, Workplace
from .write_record import Recorder

GOES_ON = (StepState.SUCCEEDED, StepState.SKIPPED)


class Walk:
    """One walk over one graph."""

    def __init__(
        self,
        run: Run,
        bundle: Bundle,
        orchestration: Orchestration,
        place: Workplace,
        pending: Pending,
        steps: StepRunner,
        recorder: Recorder,
    ) -> None:
        self._run = run
        self._bundle = bundle
        self._orchestration = orchestration
        self._place = place
        self._pending = pending
        self._steps = steps
        self._recorder = recorder
        self._plan = plan(orchestration)
        self._input: Any = parse_json(run.input_json)

    async def go(self, on_stop: Callable[[], Awaitable[None]]) -> dict[str, StepResult]:
        """Results of all steps that were reached. `on_stop` stops what runs when one step ends the run."""
        results: dict[str, StepResult] = {}
        running: dict[str, asyncio.Task[StepResult]] = {}
        try:
            while True:
                await self._start_ready(results, running)
                if not running:
                    return results
                await asyncio.wait(running.values(), return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in running.items() if task.done()]:
                    results[name] = running.pop(name).result()
                if running and self.first_stop(results) is not None:
                    await on_stop()
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    def first_stop(self, results: dict[str, StepResult]) -> tuple[str, StepResult] | None:
        """The step that ends the run: the first, in the plan's order, that failed; a rejected or cancelled one else."""
        found = [(name, results[name]) for name in self._plan.order if name in results]
        stops = [(name, result) for name, result in found if self._stops(name, result)]
        for state in (StepState.FAILED, StepState.REJECTED, StepState.CANCELLED):
            for name, result in stops:
                if result.state is state:
                    return name, result
        return None

    def scope(self, results: dict[str, StepResult]) -> Json:
        """What expressions see."""
        run, principal = self._run, self._run.principal
        return {
            "input": self._input,
            "steps": {name: {"output": result.output, "state": result.state.value} for name, result in results.items()},
            "run": {"id": run.id, "orchestration": run.orchestration, "tenant": run.tenant},
            "principal": {
                "subject": principal.subject,
                "tenant": principal.tenant,
                "roles": list(principal.roles),
                "groups": list(principal.groups),
            },
        }

    def origins(self, results: dict[str, StepResult]) -> Origins:
        """What the expressions' sources are made of."""
        return Origins(self._input, self._orchestration.spec.input.schema_, results)

    def _stops(self, name: str, result: StepResult) -> bool:
        if result.state in GOES_ON:
            return False
        step = self._orchestration.spec.step(name)
        return not (result.state is StepState.REJECTED and step is not None and step.on_rejected == "continue")

    async def _start_ready(self, results: dict[str, StepResult], running: dict[str, asyncio.Task[StepResult]]) -> None:
        """Starts what can start; steps that are skipped or run here and now may make others ready."""
        again = True
        while again and self.first_stop(results) is None:
            again = False
            for name in self._plan.order:
                step = self._orchestration.spec.step(name)
                if step is None or name in results or name in running or not self._plan.needs[name] <= set(results):
                    continue
                at = max((results[need].ended_at for need in self._plan.needs[name]), default=_started(self._run))
                decided = self._decide(step, results, at)
                if decided is not None:
                    results[name] = decided
                elif self._place.cancel.is_set() and not running and name not in self._plan.alone:
                    results[name] = StepResult(StepState.CANCELLED, at, reason=CANCELLED)
                elif name in self._plan.alone:
                    results[name] = await self._here(step, results, at)
                else:
                    await self._recorder.flush(self._run, self._pending, self._place.cancel)
                    self._pending.clear()
                    running[name] = asyncio.ensure_future(self._beside(step, dict(results), at))
                    continue
                again = True
                break

    def _decide(self, step: Step, results: dict[str, StepResult], at: datetime) -> StepResult | None:
        """A result for a step that does not run at all: its branch is not taken, or it needs what was not done."""
        if step.when is not None:
            try:
                taken = evaluate(step.when, self.scope(results))
            except ExpressionError as error:
                return self._not_run(step, results, at, StepState.FAILED, Reason("EXPRESSION_FAILED", str(error)))
            if taken is not True:
                return self._not_run(
                    step, results, at, StepState.SKIPPED, Reason("BRANCH_NOT_TAKEN", "its condition is false")
                )
            return None
        wanted = names(step.with_) | names(step.for_each)
        absent = sorted(name for name in wanted if name in results and results[name].state is not StepState.SUCCEEDED)
        if absent:
            reason = Reason("INPUT_NOT_THERE", f"it refers to {absent[0]}, which was not done")
            return self._not_run(step, results, at, StepState.SKIPPED, reason)
        return None

    def _not_run(
        self, step: Step, results: dict[str, StepResult], at: datetime, state: StepState, reason: Reason
    ) -> StepResult:
        role = self._bundle.role(step.role)
        version = role.spec.version if role else ""
        data = {"state": state.value, "reason": reason.to_dict()}
        self._pending.take_in(
            step_record(self._run, "ended", step.name, at, (step.role, version), data),
            step_state_changed(step.name, "ended", at, state, step.role, reason=reason),
        )
        # That a step did not run tells something of what decided it.
        label = self.origins(results).step_label(step)
        return StepResult(state, at, reason=reason, label=label.to_dict())

    async def _here(self, step: Step, results: dict[str, StepResult], at: datetime) -> StepResult:
        try:
            value = evaluate(step.with_, self.scope(results))
        except ExpressionError as error:
            return self._not_run(step, results, at, StepState.FAILED, Reason("EXPRESSION_FAILED", str(error)))
        arguments = self._arguments(step, step.name, value, results, at)
        job = spawned_job(self._run, self._bundle, self._orchestration, arguments)
        return await self._steps.run(job, self._place, self._pending)

    async def _beside(self, step: Step, results: dict[str, StepResult], at: datetime) -> StepResult:
        try:
            if step.for_each is None:
                value = evaluate(step.with_, self.scope(results))
                arguments = self._arguments(step, step.name, value, results, at)
                return StepResult.from_dict(await self._place.durable.spawn(step.name, arguments))
            items = evaluate(step.for_each, self.scope(results))
            inputs = [
                evaluate(step.with_, {**self.scope(results), "item": item, "index": index})
                for index, item in enumerate(_list(items))
            ]
        except ExpressionError as error:
            pending = Pending()
            reason = Reason("EXPRESSION_FAILED", str(error))
            pending.take_in(
                None, step_state_changed(step.name, "ended", at, StepState.FAILED, step.role, reason=reason)
            )
            await self._recorder.flush(self._run, pending, self._place.cancel)
            return StepResult(StepState.FAILED, at, reason=reason)
        arguments_of = [
            self._arguments(step, f"{step.name}[{index}]", value, results, at) for index, value in enumerate(inputs)
        ]
        return await map_items(self._run, step, arguments_of, at, self._place, self._recorder)

    def _arguments(self, step: Step, path: str, value: Any, results: dict[str, StepResult], at: datetime) -> Json:
        """What a step's own workflow is started with; plain JSON, kept by the engine."""
        origins = self.origins(results)
        return {
            "run_id": self._run.id,
            "step": step.name,
            "path": path,
            "input": value,
            "label": origins.step_label(step).to_dict(),
            "trusted": origins.trusted(step, value).to_list(),
            "started_at": at.isoformat(),
        }


def spawned_job(run: Run, bundle: Bundle, orchestration: Orchestration, arguments: Json) -> StepJob:
    """The job that a step's arguments describe."""
    step = orchestration.spec.step(arguments["step"])
    role = bundle.role(step.role) if step else None
    if step is None or role is None:
        raise LookupError(f"the bundle {run.bundle} has no step {arguments['step']} with its role")
    return StepJob(
        run=run,
        bundle=bundle,
        role=role,
        path=arguments["path"],
        input=arguments["input"],
        label=Label.from_dict(arguments["label"]),
        trusted=TrustedValues.bounded(arguments["trusted"]),
        started_at=datetime.fromisoformat(arguments["started_at"]),
        timeout=step.timeout,
        escalation=step.escalation,
        declassify=step.declassify,
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ExpressionError("forEach needs a list")
    return value


def _started(run: Run) -> datetime:
    return run.started_at or run.created_at
