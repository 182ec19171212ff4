"""The agent loop: turns and effects until the output satisfies the role's schema, a bound is hit or a human says no.

What happens is decided by checkpoints alone, so that a replay after a crash takes the same way. One durable step is one
turn or one effect, never less (docs/adr/0003-durable-engine.md).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_governance import json_schemas
from amas_governance.canonical import canonical_json
from amas_governance.provenance import TrustedValues
from amas_governance.resources import Declassification
from amas_governance.revocations import REVOKED

from amas_orchestrator.domain import conversation
from amas_orchestrator.domain.bounds import Spent
from amas_orchestrator.domain.conversation import Call, RefusedCall
from amas_orchestrator.domain.events import recorded_input, recorded_output, step_record, step_state_changed
from amas_orchestrator.domain.model import Json, Reason, StepResult, StepState
from amas_orchestrator.domain.origins import marked
from amas_orchestrator.domain.refusals import refusal
from amas_orchestrator.ports import Metrics

from .ask_delegation import AskDelegation
from .lower_label import LowerLabel, Made
from .patience import Cancelled, OutOfTime
from .run_action import ActionRunner
from .run_turn import TurnRunner, limited, over_limit
from .step_job import BoundReached, Pending, StepJob, StepProgress, StepWatcher, Workplace
from .write_record import Recorder

MAX_QUESTIONS = 3
"""How often humans are asked about one call: for the action, and for a repetition of an unknown outcome."""
MAX_WAKES = 64
"""How often a waiting step may be woken before its approval is decided."""
EXPIRY_SLACK = timedelta(seconds=1)
CANCELLED = Reason("RUN_CANCELLED", "the run was ended before the step was done")


class _Ended(Exception):  # noqa: N818 - control flow: the step has come to its end
    def __init__(self, state: StepState, reason: Reason | None = None) -> None:
        super().__init__(state)
        self.state, self.reason = state, reason


class StepRunner:
    """Steps of one process."""

    def __init__(
        self,
        turns: TurnRunner,
        actions: ActionRunner,
        delegation: AskDelegation,
        lower: LowerLabel,
        recorder: Recorder,
        clock: Clock,
        metrics: Metrics,
        watcher: StepWatcher | None = None,
    ) -> None:
        """`watcher` looks on while a recorded run is replayed; a live run has none."""
        self._watcher = watcher
        self._turns = turns
        self._actions = actions
        self._delegation = delegation
        self._lower = lower
        self._recorder = recorder
        self._clock = clock
        self._metrics = metrics

    async def run(
        self, job: StepJob, place: Workplace, pending: Pending, parent: StepProgress | None = None
    ) -> StepResult:
        """Works until the step has ended. What the end says about itself is left in `pending`."""
        label, trusted = marked(job.role.spec.input.schema_, job.input, job.label, job.trusted)
        messages = conversation.opening(job.role, job.input)
        progress = StepProgress(job, job.started_at, label, trusted, messages, pending, parent)
        name = job.role.metadata.name
        started = {
            "orchestration": job.run.orchestration,
            "input_bytes": len(progress.messages[1]["content"]),
            "label": label.to_dict(),
            **recorded_input(job.input),
        }
        pending.take_in(
            step_record(job.run, "started", job.path, job.started_at, job.role_names, started),
            step_state_changed(job.path, "running", job.started_at, StepState.RUNNING, name),
        )
        made: Made | None = None
        try:
            self._check_input(job)
            output = await self._loop(progress, place)
            made = self._lower.made(progress, output)
            if job.declassify is not None:
                made = await self._declassify(progress, place, job.declassify, made)
            return self._end(progress, _Ended(StepState.SUCCEEDED), made)
        except _Ended as end:
            return self._end(progress, end, made)

    async def _loop(self, progress: StepProgress, place: Workplace) -> object:
        """Turn after turn until there is an output."""
        while True:
            await self._within_bounds(progress, place)
            checkpoint = await self._durable(
                progress, place, f"{progress.job.path}/{progress.turn}", lambda: self._turns.turn(progress, place)
            )
            kind = checkpoint["kind"]
            if kind == "final":
                await self._let_out(progress, place)
                return checkpoint["output"]
            progress.messages.append(checkpoint["message"])
            if kind == "revoked":
                raise _Ended(StepState.FAILED, Reason.from_dict(checkpoint["reason"]))
            if kind == "invalid":
                self._mistake(progress, Reason(checkpoint["error"]["code"], checkpoint["error"]["message"]))
                progress.messages.append({"role": "user", "content": _correction(checkpoint["error"]["message"])})
            else:
                await self._calls(progress, place, checkpoint)
            progress.turn += 1

    async def _calls(self, progress: StepProgress, place: Workplace, checkpoint: Json) -> None:
        replies: list[Json] = list(checkpoint["replies"])
        opened = checkpoint["opened"]
        for raw in checkpoint["rest"]:
            call = Call.from_dict(raw)
            if call.delegate:
                text = await self._delegate(progress, place, call)
            else:
                text = await self._effect(progress, place, call, opened)
            replies.append(conversation.tool_reply(call.id, text))
            opened = None
        progress.messages += replies
        if checkpoint["refused"] and not checkpoint["rest"] and not checkpoint["calls"]:
            self._mistake(progress, Reason("PROPOSALS_REFUSED", "the model proposed nothing that can be done"))
        else:
            progress.mistakes = 0

    async def _effect(self, progress: StepProgress, place: Workplace, call: Call, opened: Json | None) -> str:
        """One call with a durable step of its own, humans asked as often as it takes; what the model is told."""
        if opened is None and over_limit(progress, call, {}) is not None:
            return self._refused(progress, limited(progress, call, {}))
        place_name = f"{progress.job.path}/{progress.turn}/{call.index}"
        result = opened
        if result is None:
            await self._within_bounds(progress, place, Spent(bytes_out=call.size))
            result = await self._durable(
                progress, place, place_name, lambda: self._actions.effect(progress, place, call)
            )
        for _ in range(MAX_QUESTIONS):
            if result["status"] == "done":
                return str(result["reply"])
            if result["status"] == "revoked":
                raise _Ended(StepState.FAILED, Reason.from_dict(result["reason"]))
            result = await self._ask(progress, place, call, result)
        told = Reason("TOO_MANY_QUESTIONS", "humans were asked about this call too often")
        return conversation.error_text(told)

    def _refused(self, progress: StepProgress, call: RefusedCall) -> str:
        """Leaves a call that never reaches policy for the record; what the model is told."""
        job = progress.job
        record, event = refusal(job.run, job.path, progress.turn, job.role_names, call, progress.at)
        progress.pending.take_in(record, event)
        self._metrics.tool_called("refused")
        return conversation.error_text(call.reason)

    async def _ask(self, progress: StepProgress, place: Workplace, call: Call | None, opened: Json) -> Json:
        """Waits for humans and does what they said; ends the step when they said no."""
        approval_id = opened["approval"]["id"]
        expires = datetime.fromisoformat(opened["approval"]["expires_at"]) + EXPIRY_SLACK
        for wake in range(MAX_WAKES):
            left = max(0.0, (expires - self._clock.now()).total_seconds())
            await place.durable.receive(approval_id, left)
            result = await self._durable(
                progress,
                place,
                f"{approval_id}/{wake}",
                lambda: self._actions.answered(progress, place, call, approval_id),
            )
            if result["status"] == "rejected":
                raise _Ended(StepState.REJECTED, Reason.from_dict(result["reason"]))
            if result["status"] == "cancelled":
                raise _Ended(StepState.CANCELLED, CANCELLED)
            if result["status"] != "pending":
                return result
        raise _Ended(StepState.FAILED, Reason("TOO_MANY_WAKES", "the step was woken too often without an answer"))

    async def _delegate(self, progress: StepProgress, place: Workplace, call: Call) -> str:
        """Hands a sub-task to another role as if it were a tool: same checks, within what is left of these bounds."""
        await self._within_bounds(progress, place)
        job = progress.job
        role = job.bundle.role(call.delegate)
        if role is None:
            return conversation.error_text(Reason("ROLE_UNKNOWN", f"there is no role {call.delegate}"))
        asked = await self._durable(
            progress,
            place,
            f"{job.path}/{progress.turn}/{call.index}/delegation",
            lambda: self._delegation(progress, place, call),
        )
        if asked.get("revoked"):
            raise _Ended(StepState.FAILED, Reason.from_dict(asked["revoked"]))
        if asked.get("refused"):
            return str(asked["refused"])
        sub = StepJob(
            run=job.run,
            bundle=job.bundle,
            role=role,
            path=f"{job.path}/{call.delegate}[{progress.turn}.{call.index}]",
            input=call.arguments,
            label=progress.label,
            trusted=progress.origins_of(call.arguments),
            started_at=progress.at,
            escalation=job.escalation,
            delegated_by=(*job.delegated_by, job.role.metadata.name),
        )
        result = await self.run(sub, place, progress.pending, parent=progress)
        progress.at = result.ended_at
        if result.label:
            progress.label = progress.label.join(type(progress.label).from_dict(result.label))
        progress.trusted = progress.trusted.union(result.trusted)
        if result.state is StepState.SUCCEEDED:
            # Canonical, so that the order of keys says nothing that the schema does not allow.
            return canonical_json(result.output).decode()
        revoked = result.reason is not None and result.reason.code == REVOKED
        if revoked or result.state in (StepState.REJECTED, StepState.CANCELLED):
            raise _Ended(result.state, result.reason)
        return conversation.error_text(result.reason or Reason("DELEGATE_FAILED", "the delegate failed"))

    async def _within_bounds(self, progress: StepProgress, place: Workplace, more: Spent | None = None) -> None:
        """Returns when there is room for a turn or, with `more`, for a call that takes so much."""
        while (found := progress.bound_reached(more)) is not None:
            await self._extend(progress, place, found)

    async def _let_out(self, progress: StepProgress, place: Workplace) -> None:
        """Returns when the output that the last turn brought, and was charged for, may go out."""
        while (found := progress.output_overrun()) is not None:
            await self._extend(progress, place, found)

    async def _extend(self, progress: StepProgress, place: Workplace, found: BoundReached) -> None:
        """Asks whether the bounds may hold once more; ends the step if nobody may be asked, or the answer is no."""
        if not found.extendable:
            raise _Ended(StepState.FAILED, found.reason)
        name = f"{progress.job.path}/bound/{progress.spent.allowance}"
        opened = await self._durable(progress, place, name, lambda: self._actions.bound(progress, place, found.reason))
        await self._ask(progress, place, None, opened)
        progress.spent.allowance += 1

    async def _durable(
        self, progress: StepProgress, place: Workplace, name: str, body: Callable[[], Awaitable[Json]]
    ) -> Json:
        """A durable step whose checkpoint is taken in; a body that was cancelled or refused ends it.

        One that ran out of time is repeated under another name, with the same keys, if a human gives it more.
        """

        async def guarded() -> Json:
            try:
                # What is left from before is on record before anything follows from it.
                await self._recorder.flush(progress.job.run, progress.pending, place.cancel)
                return await body()
            except Cancelled:
                return {"ended": "cancelled", "at": self._clock.now().isoformat()}
            except OutOfTime as late:
                _, end = progress.deadline()
                why = f"; last: {late.last.reason}" if late.last else ""
                told = Reason(end.reason.code, end.reason.message + why)
                return {"ended": "late", "reason": told.to_dict(), "at": self._clock.now().isoformat()}
            except AmasError as error:
                # Somebody refused, and waiting would not change it: a budget, a pin, a clearance.
                told = Reason(error.reason, error.message)
                return {"ended": "failed", "reason": told.to_dict(), "at": self._clock.now().isoformat()}

        if self._watcher is not None:
            self._watcher.begins(progress, name)
        checkpoint = await place.durable.step(name, guarded)
        progress.pending.clear()
        progress.checkpoints.append({"name": name, "at": checkpoint["at"]})
        progress.apply(checkpoint)
        if checkpoint.get("ended") == "cancelled":
            raise _Ended(StepState.CANCELLED, CANCELLED)
        if checkpoint.get("ended") == "failed":
            raise _Ended(StepState.FAILED, Reason.from_dict(checkpoint["reason"]))
        if checkpoint.get("ended") == "late":
            late = BoundReached(Reason(**checkpoint["reason"]), progress.deadline()[1].extendable)
            await self._extend(progress, place, late)
            return await self._durable(progress, place, f"{name}/extended/{progress.spent.allowance}", body)
        return checkpoint

    def _mistake(self, progress: StepProgress, reason: Reason) -> None:
        progress.mistakes += 1
        if progress.mistakes > progress.job.role.spec.bounds.repairs:
            raise _Ended(StepState.FAILED, reason)

    def _check_input(self, job: StepJob) -> None:
        problems = json_schemas.findings(job.role.spec.input.schema_, job.input)
        if problems:
            where, message = problems[0]
            place = ".".join(map(str, where)) or "input"
            text = f"the step's input breaks the role's schema: {place}: {message}"
            raise _Ended(StepState.FAILED, Reason("STEP_INPUT_INVALID", text))

    async def _declassify(self, progress: StepProgress, place: Workplace, rule: Declassification, made: Made) -> Made:
        """The output with the lower label that people agreed to; ends the step when they said no."""
        if rule.to.lowered(made.label) == made.label:
            return made
        name = f"{progress.job.path}/declassify"
        opened = await self._durable(progress, place, name, lambda: self._lower.ask(progress, place, rule, made))
        answered = await self._ask(progress, place, None, opened)
        approval = {"approvalId": opened["approval"]["id"], "approvers": answered["approvers"]}
        return self._lower.agreed(progress, rule, made, approval)

    def _end(self, progress: StepProgress, end: _Ended, made: Made | None) -> StepResult:
        if self._watcher is not None:
            self._watcher.ends(progress)
        job, succeeded = progress.job, end.state is StepState.SUCCEEDED
        label, trusted = progress.label, TrustedValues.NONE
        output: object = None
        if made is not None and succeeded:
            output, label, trusted = made.output, made.label, made.trusted
        result = StepResult(end.state, progress.at, output, end.reason, progress.spent.usage, label.to_dict(), trusted)
        data = {
            "state": end.state.value,
            "reason": end.reason.to_dict() if end.reason else None,
            "usage": result.usage.to_dict(),
            "turns": progress.turn + 1,
            "label": result.label,
            "checkpoints": progress.checkpoints,
            **(recorded_output(output) if succeeded else {}),
        }
        shown = json.dumps(output, ensure_ascii=False) if succeeded else ""
        progress.pending.take_in(
            step_record(job.run, "ended", job.path, progress.at, job.role_names, data),
            step_state_changed(
                job.path, "ended", progress.at, end.state, job.role.metadata.name, reason=end.reason, output_json=shown
            ),
        )
        self._metrics.step_ended(end.state.value)
        return result


def _correction(problem: str) -> str:
    return f"That answer cannot be used: {problem}\nAnswer again with one JSON value that satisfies the schema."
