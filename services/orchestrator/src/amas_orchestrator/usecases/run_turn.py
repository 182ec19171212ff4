"""One turn of an agent: a model call with the read-only, repeatable tool calls that it asks for. One durable step.

Its result is a checkpoint: plain JSON that holds all that later turns need. Running it again after a crash asks with
the same keys, so that router and enforcer answer what they answered before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from amas_chassis.clock import Clock
from amas_governance.canonical import canonical_json
from amas_governance.labels import Label
from amas_governance.provenance import TrustedValues
from amas_governance.resources import AgentRole
from amas_governance.revocations import REVOKED, Revocable, Revoked, words

from amas_orchestrator.domain import bounds, conversation, ids
from amas_orchestrator.domain.conversation import AnswerRefused, Call, RefusedCall, ToolInfo
from amas_orchestrator.domain.events import AuditRecord, NewEvent, preview
from amas_orchestrator.domain.lowering import not_extracted
from amas_orchestrator.domain.model import Json, Reason, Usage
from amas_orchestrator.domain.refusals import refusal
from amas_orchestrator.domain.revocations import refuse_revoked, withheld
from amas_orchestrator.ports import Enforcer, Metrics, ModelClient, ModelReply, Revocations

from .patience import Patience
from .run_action import ActionRunner
from .step_job import StepProgress, Workplace
from .write_record import Recorder


@dataclass
class _Turn:
    """What a turn gathers on its way to its checkpoint."""

    events: list[NewEvent] = field(default_factory=list)
    refusals: list[AuditRecord] = field(default_factory=list)
    replies: dict[int, Json] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    label: Label = field(default_factory=Label)
    trusted: TrustedValues = TrustedValues.NONE
    bytes_in: int = 0
    bytes_out: int = 0
    usage: Usage = field(default_factory=Usage)

    def used_with(self, call: Call) -> bounds.Spent:
        """What the turn has used so far, and would with this call."""
        return bounds.Spent(usage=self.usage, bytes_in=self.bytes_in, bytes_out=self.bytes_out + call.size)


@dataclass(frozen=True)
class _Offer:
    """What a model may call in a turn; what was revoked is not shown to it, and asking for it ends the run."""

    tools: list[ToolInfo]
    delegates: list[AgentRole]
    withheld: dict[str, Revocable]


class TurnRunner:
    """Turns of one process."""

    def __init__(
        self,
        model: ModelClient,
        enforcer: Enforcer,
        actions: ActionRunner,
        revocations: Revocations,
        recorder: Recorder,
        patience: Patience,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._model = model
        self._enforcer = enforcer
        self._actions = actions
        self._revocations = revocations
        self._recorder = recorder
        self._patience = patience
        self._clock = clock
        self._metrics = metrics

    async def turn(self, progress: StepProgress, place: Workplace) -> Json:
        """The body of the durable step. `kind` is final, invalid or calls."""
        job = progress.job
        actor = job.actor(progress.turn, progress.label, progress.trusted)
        until, _ = progress.deadline()
        revoked = await self._patience.ask("database", self._revocations.current, until=until, cancel=place.cancel)
        refuse_revoked(revoked, job.run.principal, job.run.bundle, (*job.delegated_by, job.role.metadata.name))
        tools = await self._patience.ask(
            "policy", lambda: self._enforcer.list_tools(actor), until=until, cancel=place.cancel
        )
        offer = _offer(progress, tools, revoked)
        body = conversation.request_body(
            job.role,
            progress.messages,
            offer.tools,
            offer.delegates,
            progress.tokens_for_answer(),
        )
        key = ids.place_key(job.run.id, job.path, progress.turn)
        reply = await self._patience.ask(
            "ai-router",
            lambda: self._model.complete(actor, job.role.spec.model.route, body, key),
            until=until,
            cancel=place.cancel,
        )
        self._metrics.model_called(reply.usage.to_dict())
        return await self._take_answer(progress, place, reply, offer)

    async def _take_answer(self, progress: StepProgress, place: Workplace, reply: ModelReply, offer: _Offer) -> Json:
        turn = _Turn(label=progress.label, trusted=progress.trusted)
        spent = {"usage": reply.usage.to_dict(), "model_calls": 1}
        try:
            answer = conversation.parse_answer(reply.body, offer.tools, offer.delegates)
        except AnswerRefused as refused:
            turn.events.append(self._model_called(progress, reply, "refused"))
            self._note_repair(progress, turn, refused.reason.message)
            await self._write(progress, place, turn)
            # What was refused is not repeated to the model: it may be megabytes.
            message = {"role": "assistant", "content": "(refused)"}
            return self._checkpoint("invalid", turn, message=message, error=refused.reason.to_dict(), **spent)
        turn.events.append(self._model_called(progress, reply, answer.finish_reason))
        if not answer.calls:
            return await self._take_output(progress, place, turn, answer, spent)
        for call in answer.calls:
            if isinstance(call, RefusedCall):
                self._refuse(progress, turn, call)
        turn.usage = reply.usage
        gone = next((offer.withheld[call.function] for call in answer.calls if call.function in offer.withheld), None)
        if gone is not None:
            await self._write(progress, place, turn)
            reason = Reason(REVOKED, words(gone)).to_dict()
            return self._checkpoint("revoked", turn, message=answer.message, reason=reason, **spent)
        rest, opened = await self._reads(progress, place, turn, [c for c in answer.calls if isinstance(c, Call)])
        await self._write(progress, place, turn)
        return self._checkpoint(
            "calls",
            turn,
            message=answer.message,
            rest=[call.to_dict() for call in rest],
            opened=opened,
            refused=any(isinstance(call, RefusedCall) for call in answer.calls),
            **spent,
        )

    async def _take_output(
        self, progress: StepProgress, place: Workplace, turn: _Turn, answer: conversation.Answer, spent: Json
    ) -> Json:
        output, problem = conversation.parse_output(progress.job.role, answer.content)
        problem = problem or not_extracted(progress.job.role, output, progress.label, progress.trusted)
        if problem:
            self._note_repair(progress, turn, problem)
            await self._write(progress, place, turn)
            error = Reason("OUTPUT_INVALID", problem).to_dict()
            return self._checkpoint("invalid", turn, message=answer.message, error=error, **spent)
        turn.bytes_out += len(answer.content.encode())
        await self._write(progress, place, turn)
        return self._checkpoint("final", turn, output=output, **spent)

    async def _reads(
        self, progress: StepProgress, place: Workplace, turn: _Turn, calls: list[Call]
    ) -> tuple[list[Call], Json | None]:
        """Does the calls that belong to the turn, up to the first that needs a durable step of its own."""
        for position, call in enumerate(calls):
            if over_limit(progress, call, turn.calls) is not None:
                self._refuse(progress, turn, limited(progress, call, turn.calls))
                continue
            if not call.repeatable_read or progress.bound_reached(turn.used_with(call)) is not None:
                return calls[position:], None
            result, events = await self._actions.attempt(progress, place, call, label=turn.label, trusted=turn.trusted)
            turn.events += events
            turn.calls[call.tool] = turn.calls.get(call.tool, 0) + 1
            if result["status"] != "done":
                return calls[position:], result
            turn.bytes_in += result["bytes_in"]
            turn.bytes_out += result["bytes_out"]
            turn.replies[call.index] = conversation.tool_reply(call.id, result["reply"])
            if "label" in result:
                turn.label = turn.label.join(Label.from_dict(result["label"]))
                turn.trusted = turn.trusted.union(TrustedValues.bounded(result["trusted"]))
        return [], None

    def _refuse(self, progress: StepProgress, turn: _Turn, call: RefusedCall) -> None:
        """Puts a call that never reaches policy on the record, and tells the model why."""
        job = progress.job
        record, event = refusal(job.run, job.path, progress.turn, job.role_names, call, progress.at)
        turn.refusals.append(record)
        turn.events.append(event)
        turn.replies[call.index] = conversation.tool_reply(call.id, conversation.error_text(call.reason))
        self._metrics.tool_called("refused")

    def _note_repair(self, progress: StepProgress, turn: _Turn, problem: str) -> None:
        path = progress.job.path
        payload = {"attempt": progress.mistakes + 1, "error": preview(problem)}
        key = f"{path}/{progress.turn}/repair"
        turn.events.append(NewEvent(key, "output_repaired", self._clock.now(), payload, path))

    def _model_called(self, progress: StepProgress, reply: ModelReply, finish_reason: str) -> NewEvent:
        path = progress.job.path
        payload = {
            "route": progress.job.role.spec.model.route,
            "provider": reply.provider,
            "model": reply.model,
            "usage": reply.usage.to_dict(),
            "duration_ms": reply.duration_ms,
            "attempts": reply.attempts,
            "finish_reason": finish_reason,
        }
        return NewEvent(f"{path}/{progress.turn}/model", "model_called", self._clock.now(), payload, path)

    async def _write(self, progress: StepProgress, place: Workplace, turn: _Turn) -> None:
        await self._recorder.audit(progress.job.run, turn.refusals)
        await self._recorder.events(progress.job.run, turn.events, place.cancel)

    def _checkpoint(self, kind: str, turn: _Turn, **more: object) -> Json:
        return {
            "kind": kind,
            "at": self._clock.now().isoformat(),
            "replies": [reply for _, reply in sorted(turn.replies.items())],
            "label": turn.label.to_dict(),
            "trusted": turn.trusted.to_list(),
            "calls": turn.calls,
            "bytes_in": turn.bytes_in,
            "bytes_out": turn.bytes_out,
            **more,
        }


def _offer(progress: StepProgress, tools: list[ToolInfo], revoked: Revoked) -> _Offer:
    job = progress.job
    gone = withheld(revoked, job.run.tenant, job.role, job.delegates)
    return _Offer(
        tools=[tool for tool in tools if tool.function not in gone],
        delegates=[role for role in job.delegates if conversation.delegate_function(role) not in gone],
        withheld=gone,
    )


def over_limit(progress: StepProgress, call: Call, in_turn: dict[str, int]) -> int | None:
    """The number of calls that the contract allows of this tool in one step, if it is used up."""
    grant = progress.job.role.spec.grant(call.tool) if call.tool else None
    limit = grant.limits.calls if grant else None
    used = progress.spent.calls.get(call.tool, 0) + in_turn.get(call.tool, 0)
    return limit if limit is not None and used >= limit else None


def limited(progress: StepProgress, call: Call, in_turn: dict[str, int]) -> RefusedCall:
    """The refusal of a call that is over its limit."""
    limit = over_limit(progress, call, in_turn)
    reason = Reason("TOOL_CALLS_EXHAUSTED", f"{call.tool} may be called {limit} times in a step")
    return RefusedCall(call.index, call.id, call.function, canonical_json(call.arguments).decode(), reason)
