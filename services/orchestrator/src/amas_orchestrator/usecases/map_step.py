"""A step that maps over a list: each item is a workflow of its own, at most `maxParallel` at a time.

Results keep the order of the items, whoever finishes first. One item that does not succeed stops further ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from amas_governance.labels import Label
from amas_governance.provenance import TrustedValues
from amas_governance.resources import Step

from amas_orchestrator.domain.events import step_state_changed
from amas_orchestrator.domain.model import Json, Reason, Run, StepResult, StepState, Usage

from .step_job import Pending, Workplace
from .write_record import Recorder

MAX_ITEMS = 1_000
"""Items of one map: each is a workflow."""


async def map_items(
    run: Run, step: Step, arguments: Sequence[Json], at: datetime, place: Workplace, recorder: Recorder
) -> StepResult:
    """Runs the items and joins what they bring: outputs in order, usage, labels."""
    if len(arguments) > MAX_ITEMS:
        reason = Reason("TOO_MANY_ITEMS", f"a map has at most {MAX_ITEMS} items, not {len(arguments)}")
        result = StepResult(StepState.FAILED, at, reason=reason)
    else:
        await _show(run, step, StepResult(StepState.RUNNING, at), "running", place, recorder)
        result = _joined(await _run_all(step, arguments, place), len(arguments), at)
    await _show(run, step, result, "ended", place, recorder)
    return result


async def _run_all(step: Step, arguments: Sequence[Json], place: Workplace) -> list[StepResult | None]:
    results: list[StepResult | None] = [None] * len(arguments)
    room = asyncio.Semaphore(step.max_parallel)
    stopped = False

    async def one(index: int) -> None:
        nonlocal stopped
        async with room:
            if stopped or place.cancel.is_set():
                return
            results[index] = StepResult.from_dict(await place.durable.spawn(arguments[index]["path"], arguments[index]))
            stopped = stopped or results[index].state is not StepState.SUCCEEDED  # type: ignore[union-attr]  # just set

    await asyncio.gather(*(one(index) for index in range(len(arguments))))
    return results


def _joined(results: Sequence[StepResult | None], wanted: int, at: datetime) -> StepResult:
    done = [result for result in results if result is not None]
    usage, label, trusted = Usage(), Label.LOWEST, TrustedValues.NONE
    for result in done:
        usage += result.usage
        label = label.join(Label.from_dict(result.label))
        trusted = trusted.union(result.trusted)
    ended = max((result.ended_at for result in done), default=at)
    for state in (StepState.FAILED, StepState.REJECTED, StepState.CANCELLED):
        bad = next((result for result in done if result.state is state), None)
        if bad is not None:
            return StepResult(state, ended, None, bad.reason, usage, label.to_dict())
    if len(done) < wanted:
        reason = Reason("RUN_CANCELLED", "the run was ended before all items were done")
        return StepResult(StepState.CANCELLED, ended, None, reason, usage, label.to_dict())
    outputs = [result.output for result in done]
    return StepResult(StepState.SUCCEEDED, ended, outputs, None, usage, label.to_dict(), trusted)


async def _show(run: Run, step: Step, result: StepResult, key: str, place: Workplace, recorder: Recorder) -> None:
    pending = Pending()
    event = step_state_changed(step.name, key, result.ended_at, result.state, step.role, reason=result.reason)
    pending.take_in(None, event)
    await recorder.flush(run, pending, place.cancel)
