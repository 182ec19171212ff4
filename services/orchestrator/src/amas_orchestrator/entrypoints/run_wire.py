"""Runs and their events as messages of amas.common.v1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from amas.common.v1 import decision_pb2, label_pb2, run_pb2, usage_pb2
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.labels import Integrity, Label
from google.protobuf.timestamp_pb2 import Timestamp

from amas_orchestrator.domain.events import StoredEvent
from amas_orchestrator.domain.model import Json, Reason, Run, RunState, StepState, StepStatus, Usage

_RUN_STATES = {state: run_pb2.RunState.Value(f"RUN_STATE_{state.name}") for state in RunState}
_STEP_STATES = {state: run_pb2.StepState.Value(f"STEP_STATE_{state.name}") for state in StepState}


def timestamp(value: datetime | None) -> Timestamp | None:
    """A moment as a message; None stays unset."""
    if value is None:
        return None
    message = Timestamp()
    message.FromDatetime(value)
    return message


def run_state_of(value: int) -> RunState | None:
    """The state in a request; None for "any". Raises AmasError for a number that is no state."""
    return _state_of(value, _RUN_STATES, "state")


def _state_of(value: int, states: dict[RunState, run_pb2.RunState.ValueType], field: str) -> RunState | None:
    if value == 0:
        return None
    for state, number in states.items():
        if number == value:
            return state
    raise AmasError(ErrorKind.INVALID_ARGUMENT, "STATE_UNKNOWN", f"{field}: there is no state {value}")


def run_message(run: Run) -> run_pb2.Run:
    """A run with its steps."""
    return run_pb2.Run(
        id=run.id,
        tenant=run.tenant,
        orchestration=run.orchestration,
        orchestration_version=run.orchestration_version,
        bundle=run.bundle,
        state=_RUN_STATES[run.state],
        requester=run.principal.subject,
        trace_id=run.trace_id,
        input_json=run.input_json,
        output_json=run.output_json,
        reason=reason_message(run.reason),
        usage=usage_message(run.usage),
        steps=[_step(step) for step in run.steps],
        created_at=timestamp(run.created_at),
        started_at=timestamp(run.started_at),
        ended_at=timestamp(run.ended_at),
    )


def event_message(event: StoredEvent, trace_id: str) -> run_pb2.RunEvent:
    """An event of a run."""
    message = run_pb2.RunEvent(
        run_id=event.run_id,
        sequence=event.sequence,
        time=timestamp(event.time),
        step=event.step,
        trace_id=trace_id,
    )
    _PAYLOADS[event.kind](message, event.payload)
    return message


def reason_message(reason: Reason | None) -> decision_pb2.Reason | None:
    """A reason; None stays unset."""
    return decision_pb2.Reason(code=reason.code, message=reason.message) if reason else None


def usage_message(usage: Usage) -> usage_pb2.Usage:
    """Usage with its cost."""
    return usage_pb2.Usage(
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        cost=usage_pb2.Money(amount=f"{usage.cost.normalize():f}", currency=usage.currency),
        estimated=usage.estimated,
    )


def requirement_message(value: Json) -> decision_pb2.ApprovalRequirement:
    """Who must answer."""
    message = decision_pb2.ApprovalRequirement(quorum=value["quorum"], four_eyes=value["four_eyes"])
    getattr(message, "from").extend(value["from"])
    message.expires_in.FromMilliseconds(round(value["expires_in"] * 1000))
    # Events stay as they were written: older ones know of neither.
    if value.get("remind_after") is not None:
        message.remind_after.FromMilliseconds(round(value["remind_after"] * 1000))
    for rule in value.get("escalate", ()):
        message.escalate.add(to=rule["to"]).after.FromMilliseconds(round(rule["after"] * 1000))
    return message


def _step(step: StepStatus) -> run_pb2.Step:
    return run_pb2.Step(
        path=step.path,
        role=step.role,
        state=_STEP_STATES[step.state],
        started_at=timestamp(step.started_at),
        ended_at=timestamp(step.ended_at),
        reason=reason_message(step.reason),
    )


def _reasons(values: list[Json]) -> list[decision_pb2.Reason]:
    return [decision_pb2.Reason(code=value["code"], message=value["message"]) for value in values]


def decision_message(value: Json) -> decision_pb2.Decision:
    """A decision in the form that events carry."""
    return decision_pb2.Decision(
        id=value["id"],
        effect=decision_pb2.Effect.Value(f"EFFECT_{value['effect'].upper()}"),
        reasons=_reasons(value["reasons"]),
        obligations=value["obligations"],
        bundle=value["bundle"],
        action_digest=value["action_digest"],
        approval=requirement_message(value["requirement"]) if value["requirement"] else None,
    )


def label_message(value: Json | None) -> label_pb2.Label | None:
    """A label; None stays unset."""
    if value is None:
        return None
    label = Label.from_dict(value)
    trusted = label.integrity is Integrity.TRUSTED
    return label_pb2.Label(
        confidentiality=int(label.confidentiality),  # type: ignore[arg-type]  # the numbers are the same
        categories=sorted(label.categories),
        integrity=label_pb2.INTEGRITY_TRUSTED if trusted else label_pb2.INTEGRITY_UNTRUSTED,
    )


def _run_state_changed(message: run_pb2.RunEvent, payload: Json) -> None:
    message.run_state_changed.CopyFrom(
        run_pb2.RunStateChanged(
            state=_RUN_STATES[RunState(payload["state"])],
            reason=reason_message(Reason.from_dict(payload["reason"])),
            output_json=payload["output_json"],
            usage=usage_message(Usage.from_dict(payload["usage"])) if payload["usage"] else None,
        )
    )


def _step_state_changed(message: run_pb2.RunEvent, payload: Json) -> None:
    message.step_state_changed.CopyFrom(
        run_pb2.StepStateChanged(
            state=_STEP_STATES[StepState(payload["state"])],
            role=payload["role"],
            reason=reason_message(Reason.from_dict(payload["reason"])),
            output_json=payload["output_json"],
        )
    )


def _model_called(message: run_pb2.RunEvent, payload: Json) -> None:
    message.model_called.CopyFrom(
        run_pb2.ModelCalled(**{**payload, "usage": usage_message(Usage.from_dict(payload["usage"]))})
    )


def _tool_called(message: run_pb2.RunEvent, payload: Json) -> None:
    decision, label = decision_message(payload["decision"]), label_message(payload["label"])
    message.tool_called.CopyFrom(run_pb2.ToolCalled(**{**payload, "decision": decision, "label": label}))


def _approval_requested(message: run_pb2.RunEvent, payload: Json) -> None:
    expires_at = timestamp(datetime.fromisoformat(payload["expires_at"]))
    changed = {**payload, "expires_at": expires_at, "reasons": _reasons(payload["reasons"])}
    message.approval_requested.CopyFrom(run_pb2.ApprovalRequested(**changed))


def _approval_decided(message: run_pb2.RunEvent, payload: Json) -> None:
    message.approval_decided.CopyFrom(run_pb2.ApprovalDecided(**payload))


def _approval_reminded(message: run_pb2.RunEvent, payload: Json) -> None:
    message.approval_reminded.CopyFrom(run_pb2.ApprovalReminded(**payload))


def _approval_escalated(message: run_pb2.RunEvent, payload: Json) -> None:
    message.approval_escalated.CopyFrom(run_pb2.ApprovalEscalated(**payload))


def _output_repaired(message: run_pb2.RunEvent, payload: Json) -> None:
    message.output_repaired.CopyFrom(run_pb2.OutputRepaired(**payload))


def _run_taken_over(message: run_pb2.RunEvent, payload: Json) -> None:
    message.run_taken_over.CopyFrom(run_pb2.RunTakenOver(**payload))


_PAYLOADS: dict[str, Callable[[run_pb2.RunEvent, Json], None]] = {
    "run_state_changed": _run_state_changed,
    "step_state_changed": _step_state_changed,
    "model_called": _model_called,
    "tool_called": _tool_called,
    "approval_requested": _approval_requested,
    "approval_decided": _approval_decided,
    "approval_reminded": _approval_reminded,
    "approval_escalated": _approval_escalated,
    "output_repaired": _output_repaired,
    "run_taken_over": _run_taken_over,
}
