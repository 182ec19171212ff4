"""Asks policy before a role hands a sub-task to another; the body of one durable step.

The policy-sidecar decides and records; this module only carries the question there and tells the run what was said.
It must never begin a delegate's step itself.
"""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, ErrorKind
from amas_governance.canonical import canonical_json
from amas_governance.dlp import without_secrets
from amas_governance.revocations import REVOKED

from amas_orchestrator.domain.conversation import Call, error_text
from amas_orchestrator.domain.events import NewEvent
from amas_orchestrator.domain.model import Json, Reason
from amas_orchestrator.ports import Decision, Enforcer

from .patience import OutOfTime, Patience
from .step_job import StepProgress, Workplace
from .write_record import Recorder

DENIED = Reason("DENIED", "policy denied the delegation")


class AskDelegation:
    """Questions about sub-tasks."""

    def __init__(self, enforcer: Enforcer, recorder: Recorder, patience: Patience, clock: Clock) -> None:
        self._enforcer = enforcer
        self._recorder = recorder
        self._patience = patience
        self._clock = clock

    async def __call__(self, progress: StepProgress, place: Workplace, call: Call) -> Json:
        """A checkpoint: with `refused`, what the model is told; with `revoked`, why the run ends; else it may begin."""
        job = progress.job
        actor = job.actor(progress.turn, progress.label, progress.trusted)
        until, late = progress.deadline()
        try:
            decision = await self._patience.ask(
                "policy",
                lambda: self._enforcer.may_delegate(actor, call.delegate, call.arguments),
                until=until,
                cancel=place.cancel,
            )
        except OutOfTime as error:
            last = AmasError(ErrorKind.UNAVAILABLE, late.reason.code, late.reason.message)
            raise OutOfTime(error.last or last) from error
        # No step of its own in the bounds: the delegate's first one is charged.
        checkpoint: Json = {"at": self._clock.now().isoformat()}
        if decision.effect == "allow":
            return checkpoint
        event = self._refused(progress, call, decision)
        await self._recorder.events(job.run, [event], place.cancel)
        reason = decision.reasons[0] if decision.reasons else DENIED
        if reason.code == REVOKED:
            return {**checkpoint, "revoked": reason.to_dict()}
        return {**checkpoint, "refused": error_text(reason)}

    def _refused(self, progress: StepProgress, call: Call, decision: Decision) -> NewEvent:
        path = progress.job.path
        payload = {
            "tool": f"delegate/{call.delegate}",
            "arguments_json": canonical_json(without_secrets(call.arguments)).decode(),
            "action_digest": decision.action_digest,
            "decision": decision.to_dict(),
            "result_preview": "",
            "is_error": True,
            "label": None,
            "duration_ms": 0,
        }
        key = f"{path}/{progress.turn}/{call.index}/delegation"
        return NewEvent(key, "tool_called", self._clock.now(), payload, path)
