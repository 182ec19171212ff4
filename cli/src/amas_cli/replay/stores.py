"""The stores of a replay: one run, the bundle it is pinned to, and the approvals as people answered them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from amas_governance.bundle import Bundle
from amas_governance.canonical import canonical_json
from amas_governance.revocations import Revoked
from amas_orchestrator.domain.approvals import Answer, Approval, ApprovalState, Edit
from amas_orchestrator.domain.events import NewEvent
from amas_orchestrator.domain.model import Principal, Reason, Run, RunState
from amas_orchestrator.domain.requirement import Requirement

from .clock import RecordedClock
from .outcomes import RecordEnds
from .recording import Event, Recording


def recorded_run(recording: Recording) -> Run:
    """The run as it began. RecordEnds where the record does not hold its input, or its beginning."""
    first = recording.started
    if first is None:
        raise RecordEnds("run", "the record does not hold its beginning")
    data, value = first.data, first.value("input")
    if not isinstance(data.get("principal"), Mapping) or value is None:
        raise RecordEnds(
            "run", "the record does not hold the run's input: it was recorded before replays, or is larger"
        )
    trace = str(first.members.get("traceid", ""))
    return Run(
        id=recording.run,
        principal=Principal.from_dict(data["principal"]),
        orchestration=str(data["orchestration"]),
        orchestration_version=str(data["orchestration_version"]),
        bundle=str(first.members["bundle"]),
        state=RunState.RUNNING,
        traceparent=f"00-{trace}-{'0' * 16}-01" if trace else "",
        input_json=canonical_json(value).decode(),
        created_at=datetime.fromisoformat(str(data["created_at"])),
        started_at=first.time,
        # Fencing is about executors that are late; here is one.
        fencing_token=0,
    )


class OneRun:
    """RunStore, as far as a workflow uses it. Keeps the run's events for whoever wants to see them."""

    def __init__(self, run: Run, recording: Recording, clock: RecordedClock) -> None:
        self._run = run
        self._recording = recording
        self._clock = clock
        self.events: list[NewEvent] = []

    async def begin(self, run_id: str, now: datetime) -> Run | None:
        """The run. Only at its end it knows who told it to end: no workflow knew at its beginning."""
        ended = self._recording.ended
        told = ended.data.get("told") if ended is not None and self._clock.run_ends else None
        return self._run if told is None else replace(self._run, cancel=dict(told))

    async def record(self, run_id: str, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        self.events += events
        return False


class OneBundle:
    """BundleStore, as far as a workflow uses it."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    async def pinned(self, tenant: str, digest: str) -> Bundle | None:
        return self._bundle


class NothingRevoked:
    """Revocations: what they ended is on record as an end."""

    async def current(self) -> Revoked:
        return Revoked(0)

    async def newest(self) -> Revoked:
        return Revoked(0)

    async def replace(self, revoked: Revoked) -> int:
        return 0


class RecordedApprovals:
    """ApprovalStore, as far as a workflow uses it: asked by the workflow, answered by the record."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._settled: dict[str, int] = {}
        self.opened: dict[str, Approval] = {}
        """Those that the workflow has asked for, as they stand."""

    async def open(self, approval: Approval) -> Approval:
        known = self.opened.get(approval.id)
        if known is not None:
            return known
        recorded = self._recording.requested(approval.id)
        if recorded is not None:
            until = datetime.fromisoformat(str(recorded.data["expires_at"]))
            approval = replace(approval, requested_at=recorded.time, expires_at=until)
        self.opened[approval.id] = approval
        return approval

    async def publish(self, approval: Approval, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        self.opened[approval.id] = replace(self.opened[approval.id], state=ApprovalState.PENDING)
        return False

    async def settle(self, approval_id: str, now: datetime) -> Approval:
        """What it came to. As often as the run was woken too early, it is still pending."""
        asked = self.opened[approval_id]
        turn = self._settled[approval_id] = self._settled.get(approval_id, -1) + 1
        if self._recording.checkpoint(f"{approval_id}/{turn + 1}") is not None:
            return asked
        decided = self._recording.decided(approval_id)
        if decided is None:
            raise RecordEnds(asked.step, f"the approval {approval_id} of {asked.tool} waits for people")
        settled = self.opened[approval_id] = _settled(asked, decided, self._recording.edits(approval_id))
        return settled

    async def waiting(self, tenant: str, now: datetime) -> int:
        """Of no use here: what policy was told of it stands in its recorded input."""
        return 0

    async def others_pending(self, run_id: str, approval_id: str) -> bool:
        return any(one.state is ApprovalState.PENDING for key, one in self.opened.items() if key != approval_id)

    async def cancel_pending(self, run_id: str) -> None:
        return None


def _settled(asked: Approval, decided: Event, edits: Sequence[Event]) -> Approval:
    data = decided.data
    answers = tuple(
        Answer(
            approver=str(given["approver"]),
            issuer=str(given["issuer"]),
            approved=bool(given["approved"]),
            reason=str(given["reason"]),
            time=datetime.fromisoformat(str(given["time"])),
            groups=tuple(given["groups"]),
            action_digest=str(given["action_digest"]),
            rendering_digest=str(given["rendering_digest"]),
        )
        for given in data["answers"]
    )
    by_digest = {str(event.data["edited_digest"]): event for event in edits}
    made = tuple(_edit(by_digest[digest]) for digest in data["edited_digests"] if digest in by_digest)
    return replace(asked, state=ApprovalState(data["state"]), answers=answers, edits=made)


def _edit(event: Event) -> Edit:
    data = event.data
    return Edit(
        action_digest=str(data["edited_digest"]),
        arguments_json=canonical_json(event.value("arguments")).decode(),
        editor=str(data["editor"]),
        issuer=str(data["issuer"]),
        time=event.time,
        reasons=tuple(Reason(reason["code"], reason["message"]) for reason in data["reasons"]),
        requirement=Requirement.from_dict(data["requirement"]),
    )
