"""One tool call that a model proposed: handed to the enforcer, its result shown, humans asked where policy says so.

The enforcer decides; this module only carries the question there and the answer back. It must never call a tool by any
other way, and never repeat a call under another key unless a human said so.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.canonical import canonical_json, parse_json
from amas_governance.dlp import without_secrets
from amas_governance.labels import Label
from amas_governance.provenance import TrustedValues
from amas_governance.revocations import REVOKED

from amas_orchestrator.domain import ids
from amas_orchestrator.domain.approvals import Approval, ApprovalKind, ApprovalState, Question
from amas_orchestrator.domain.conversation import Call, edited_text, error_text
from amas_orchestrator.domain.events import NewEvent, preview
from amas_orchestrator.domain.model import Json, Reason
from amas_orchestrator.domain.requirement import Requirement
from amas_orchestrator.ports import Actor, Decision, Enforced, Enforcer, Grant, Metrics

from .ask_human import AskHuman, grant_of, open_result, rejection
from .patience import Cancelled, OutOfTime, Patience
from .step_job import StepJob, StepProgress, Workplace
from .write_record import Recorder

MAX_INTERNAL_RETRIES = 2
"""How often a call that the enforcer could not make sense of is put to it again, under the same key."""
UNKNOWN = Reason("OUTCOME_UNKNOWN", "the call was begun and nobody knows how it ended; it was not repeated")


class ActionRunner:
    """Tool calls of one process."""

    def __init__(
        self,
        enforcer: Enforcer,
        human: AskHuman,
        recorder: Recorder,
        patience: Patience,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._enforcer = enforcer
        self._human = human
        self._recorder = recorder
        self._patience = patience
        self._clock = clock
        self._metrics = metrics

    async def attempt(
        self,
        progress: StepProgress,
        place: Workplace,
        call: Call,
        *,
        label: Label,
        trusted: TrustedValues,
        approved: Approval | None = None,
        waited: timedelta = timedelta(),
    ) -> tuple[Json, list[NewEvent]]:
        """Hands one call to the enforcer; what came of it, and the events that say so.

        `waited` is time that humans took and that the step's checkpoints do not know yet.
        `status`: done (also when denied or failed; `reply` says so), escalated or unknown (an approval is open), or
        revoked (the run ends).
        """
        if place.cancel.is_set():
            raise Cancelled
        job, turn = progress.job, progress.turn
        where: tuple[str | int, ...] = (turn, call.index)
        grant = None
        if approved is not None:
            where, grant = (*where, f"approved-{approved.id}"), grant_of(approved)
        key = ids.place_key(job.run.id, job.path, *where)
        # Who brings an approval asks nobody again.
        waiting = None if approved is not None else await self._human.load(job)
        actor = replace(job.actor(turn, label, trusted), approvals_waiting=waiting)
        enforced = await self._enforce(progress, place, call, actor, key, grant, waited)
        self._metrics.tool_called(enforced.decision.effect)
        event = _tool_called(job, call, where, enforced, self._clock)
        if enforced.decision.effect == "escalate":
            return await self._escalate(progress, place, call, where, enforced.decision, event)
        if enforced.outcome == "unknown":
            question = approved.approved_question if approved is not None else None
            requirement = question.requirement if question is not None else _requirement_for(job, call.tool)
            return await self._unknown(progress, place, call, where, requirement, event)
        denied = enforced.decision.effect != "allow"
        if denied and _first(enforced.decision).code == REVOKED:
            # Not the model's to go round: the run ends here.
            return {"status": "revoked", "reason": _first(enforced.decision).to_dict()}, [event]
        reply = error_text(_first(enforced.decision)) if denied else enforced.text
        result: Json = {
            "status": "done",
            "reply": reply,
            "bytes_in": len(reply.encode()),
            "bytes_out": 0 if denied else call.size,
        }
        if not denied:
            result |= {"label": enforced.label.to_dict(), "trusted": enforced.trusted.to_list()}
        return result, [event]

    async def effect(self, progress: StepProgress, place: Workplace, call: Call) -> Json:
        """The body of a durable step for one call; what came of it, with its events written."""
        result, events = await self.attempt(progress, place, call, label=progress.label, trusted=progress.trusted)
        await self._recorder.events(progress.job.run, events, place.cancel)
        return {**result, "at": self._clock.now().isoformat(), "calls": {call.tool: 1}}

    async def answered(self, progress: StepProgress, place: Workplace, call: Call | None, approval_id: str) -> Json:
        """The body of a durable step after a human was waited for: does what was approved, or says why not."""
        approval = await self._human.close(progress.job, place, approval_id)
        if approval.state is ApprovalState.PENDING:
            return {"status": "pending", "at": self._clock.now().isoformat()}
        waited = max(timedelta(), self._clock.now() - approval.requested_at)
        result: Json
        events: list[NewEvent] = []
        if approval.state is ApprovalState.CANCELLED:
            result = {"status": "cancelled"}
        elif approval.state is not ApprovalState.APPROVED:
            result = _not_approved(approval)
            if call is not None:
                result = _told(result, call, _with_arguments(call, approval.proposed))
        elif call is None:
            answers = approval.approved_answers
            result = {"status": "agreed", "approvers": sorted({answer.approver for answer in answers})}
        else:
            question = approval.approved_question or approval.proposed
            call, asked = _with_arguments(call, question), call
            result, events = await self.attempt(
                progress,
                place,
                call,
                label=progress.label,
                trusted=progress.trusted,
                approved=approval,
                waited=waited,
            )
            result = _told(result, asked, call)
        await self._recorder.events(progress.job.run, events, place.cancel)
        return {**result, "at": self._clock.now().isoformat(), "waited": waited.total_seconds()}

    async def bound(self, progress: StepProgress, place: Workplace, reason: Reason) -> Json:
        """The body of a durable step that asks whether a step may go on beyond its bounds."""
        job = progress.job
        approval = await self._human.open(
            progress,
            place,
            ApprovalKind.BOUND,
            ("bound", progress.spent.allowance),
            tool=f"bounds/{job.role.metadata.name}",
            arguments={"reached": reason.code, "times": progress.spent.allowance},
            reasons=(reason,),
            requirement=Requirement.of(job.escalation),
        )
        return open_result("escalated", approval, self._clock)

    async def _enforce(
        self,
        progress: StepProgress,
        place: Workplace,
        call: Call,
        actor: Actor,
        key: str,
        grant: Grant | None,
        waited: timedelta,
    ) -> Enforced:
        # An effect that has begun is waited for: cutting it would only lose its outcome.
        cancel = place.cancel if call.repeatable_read else None
        until, late = progress.deadline()
        until += waited
        for attempt in range(MAX_INTERNAL_RETRIES + 1):
            try:
                return await self._patience.ask(
                    "policy",
                    lambda: self._enforcer.enforce(actor, call.tool, call.arguments, key, grant),
                    until=until,
                    cancel=cancel,
                )
            except OutOfTime as error:
                last = AmasError(ErrorKind.UNAVAILABLE, late.reason.code, late.reason.message)
                raise OutOfTime(error.last or last) from error
            except AmasError as error:
                if error.kind is not ErrorKind.INTERNAL:
                    return _not_enforced(progress.job, error, "not_called")
                if attempt == MAX_INTERNAL_RETRIES:
                    return _not_enforced(progress.job, error, "failed" if call.repeatable_read else "unknown")
        raise AssertionError("the loop returns or raises")

    async def _escalate(
        self,
        progress: StepProgress,
        place: Workplace,
        call: Call,
        where: tuple[str | int, ...],
        decision: Decision,
        event: NewEvent,
    ) -> tuple[Json, list[NewEvent]]:
        await self._recorder.events(progress.job.run, [event], place.cancel)
        approval = await self._human.open(
            progress,
            place,
            ApprovalKind.ACTION,
            where,
            tool=call.tool,
            arguments=call.arguments,
            reasons=decision.reasons,
            requirement=decision.requirement or Requirement.of(progress.job.escalation),
        )
        return open_result("escalated", approval, self._clock), []

    async def _unknown(
        self,
        progress: StepProgress,
        place: Workplace,
        call: Call,
        where: tuple[str | int, ...],
        requirement: Requirement,
        event: NewEvent,
    ) -> tuple[Json, list[NewEvent]]:
        await self._recorder.events(progress.job.run, [event], place.cancel)
        approval = await self._human.open(
            progress,
            place,
            ApprovalKind.UNKNOWN_OUTCOME,
            (*where, "unknown"),
            tool=call.tool,
            arguments=call.arguments,
            reasons=(UNKNOWN,),
            requirement=requirement,
        )
        return open_result("unknown", approval, self._clock), []


def _with_arguments(call: Call, question: Question) -> Call:
    """The call with the arguments that people were asked about, which may be others than the model proposed."""
    return replace(call, arguments=parse_json(question.arguments_json))


def _told(result: Json, asked: Call, done: Call) -> Json:
    """The result as the model is told it: what was really done, where people changed what it had asked for."""
    if result["status"] != "done" or asked.arguments == done.arguments:
        return result
    reply = edited_text(done.arguments, result["reply"])
    return {**result, "reply": reply, "bytes_in": len(reply.encode())}


def _requirement_for(job: StepJob, tool: str) -> Requirement:
    """Whoever must approve the action is asked about its repetition too; else whom the step or the default names."""
    grant = job.role.spec.grant(tool)
    return Requirement.of((grant.approval if grant else None) or job.escalation)


def _not_approved(approval: Approval) -> Json:
    if approval.kind is ApprovalKind.UNKNOWN_OUTCOME:
        # A human may have found out that the effect did happen; the model is told exactly what is known.
        return {"status": "done", "reply": error_text(UNKNOWN)}
    return {"status": "rejected", "reason": rejection(approval).to_dict()}


def _not_enforced(job: StepJob, error: AmasError, outcome: str) -> Enforced:
    """What the enforcer refused to look at or could not do, in the form of a decision."""
    effect = "deny" if outcome == "not_called" else "allow"
    decision = Decision("", effect, (Reason(error.reason, error.message),), (), job.run.bundle, "")
    return Enforced(decision, outcome, text=error_text(Reason(error.reason, error.message)))


def _first(decision: Decision) -> Reason:
    return decision.reasons[0] if decision.reasons else Reason("DENIED", "policy denied the action")


def _tool_called(job: StepJob, call: Call, where: tuple[str | int, ...], enforced: Enforced, clock: Clock) -> NewEvent:
    called = enforced.decision.effect == "allow" and enforced.outcome != "not_called"
    payload = {
        "tool": call.tool,
        # Events are for people to look at: a secret that policy stopped does not stand in them either.
        "arguments_json": canonical_json(without_secrets(call.arguments)).decode(),
        "action_digest": enforced.decision.action_digest,
        "decision": enforced.decision.to_dict(),
        "result_preview": preview(enforced.text) if called else "",
        "is_error": enforced.outcome in ("failed", "unknown") or enforced.decision.effect == "deny",
        "label": enforced.label.to_dict() if called else None,
        "duration_ms": enforced.duration_ms,
    }
    key = "/".join([job.path, *(str(part) for part in where), "tool"])
    return NewEvent(key, "tool_called", clock.now(), payload, job.path)
