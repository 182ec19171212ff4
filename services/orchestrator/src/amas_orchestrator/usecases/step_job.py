"""One step of a run while it is being worked on: what is fixed about it, and what its checkpoints have brought so far.

Everything in `StepProgress` is rebuilt from checkpoints after a crash, so it may only change by what a checkpoint says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from amas_governance.bundle import Bundle
from amas_governance.labels import Integrity, Label
from amas_governance.provenance import TrustedValues
from amas_governance.resources import AgentRole, ApprovalRequirement, Declassification

from amas_orchestrator.domain import bounds
from amas_orchestrator.domain.events import AuditRecord, NewEvent
from amas_orchestrator.domain.model import Json, Reason, Run, Usage
from amas_orchestrator.domain.signals import CancelSignal
from amas_orchestrator.ports import Actor, Durable

MAX_DELEGATION_DEPTH = 4
"""How many roles may stand behind one another; the deepest is offered no delegates."""


@dataclass
class Pending:
    """Records and events that are to be written before the next thing happens. Emptied by whoever wrote them."""

    records: list[AuditRecord] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)

    def take_in(self, record: AuditRecord | None, event: NewEvent | None) -> None:
        """Adds what is not None."""
        if record is not None:
            self.records.append(record)
        if event is not None:
            self.events.append(event)

    def clear(self) -> None:
        """All of it is written."""
        self.records.clear()
        self.events.clear()


@dataclass(frozen=True)
class StepJob:
    """What a step is: its place, its role, its input and under which run."""

    run: Run
    bundle: Bundle
    role: AgentRole
    path: str
    input: Any
    label: Label
    trusted: TrustedValues
    """Values of the input that stem from trusted input."""
    started_at: datetime
    timeout: float | None = None
    escalation: ApprovalRequirement | None = None
    declassify: Declassification | None = None
    delegated_by: tuple[str, ...] = ()

    @property
    def role_names(self) -> tuple[str, str]:
        """Name and version of the role."""
        return self.role.metadata.name, self.role.spec.version

    @property
    def delegates(self) -> list[AgentRole]:
        """The roles that may be asked for help here."""
        if len(self.delegated_by) >= MAX_DELEGATION_DEPTH:
            return []
        found = (self.bundle.role(name) for name in self.role.spec.delegates)
        return [role for role in found if role is not None]

    @property
    def bounds_approvals(self) -> bool:
        """Whether a contract of the chain says how many approvals may wait for people at once."""
        chain = [self.role, *(self.bundle.role(name) for name in self.delegated_by)]
        spoken = [role.spec.autonomy for role in chain if role is not None and role.spec.autonomy is not None]
        return any(autonomy.pending_approvals is not None for autonomy in spoken)

    def actor(self, turn: int, label: Label, trusted: TrustedValues) -> Actor:
        """Who acts, for policy and router, in a context of that label and with these values of trusted origin."""
        return Actor(
            principal=self.run.principal,
            bundle=self.run.bundle,
            run_id=self.run.id,
            orchestration=self.run.orchestration,
            step=self.path,
            role=self.role.metadata.name,
            turn=turn,
            fencing_token=self.run.fencing_token,
            delegated_by=self.delegated_by,
            label=label,
            trusted=trusted,
        )


@dataclass(frozen=True)
class BoundReached:
    """A bound that stops a step, and whether a human may be asked to extend it."""

    reason: Reason
    extendable: bool


@dataclass
class StepProgress:
    """How far a step has come. `at` is the time of its newest checkpoint."""

    job: StepJob
    at: datetime
    label: Label
    trusted: TrustedValues
    """Values in the context that stem from trusted input; as the label, it only grows."""
    messages: list[Json]
    pending: Pending
    parent: StepProgress | None = None
    spent: bounds.Spent = field(default_factory=bounds.Spent)
    turn: int = 0
    mistakes: int = 0
    """Turns in a row that brought nothing usable."""
    checkpoints: list[Json] = field(default_factory=list)
    """Name and time of each checkpoint: the clock of a replay (invariant I10)."""

    def charge(self, spent: bounds.Spent) -> None:
        """Takes usage into account here and with everybody who delegated."""
        self.spent.add(spent)
        for tool, count in spent.calls.items():
            self.spent.calls[tool] = self.spent.calls.get(tool, 0) + count
        holder = self.parent
        while holder is not None:
            holder.spent.add(spent)
            holder = holder.parent

    @property
    def holders(self) -> list[StepProgress]:
        """This step and, from the nearest on, those that delegated: each holds a bound that binds here."""
        return [self, *(self.parent.holders if self.parent is not None else ())]

    def bound_reached(self, more: bounds.Spent | None = None) -> BoundReached | None:
        """The first bound that leaves no room, the role's own or that of one who delegated."""
        for holder in self.holders:
            limits, spent = holder.job.role.spec.bounds, holder.spent
            reason = bounds.reached(limits, spent, more or bounds.Spent())
            if reason is None and self.at >= (end := holder.own_deadline())[0]:
                reason = end[1]
            if reason is not None:
                return BoundReached(reason, self._may_ask(holder, reason))
        return None

    def output_overrun(self) -> BoundReached | None:
        """The bound that an output which is charged already has gone beyond."""
        for holder in self.holders:
            reason = bounds.overrun(holder.job.role.spec.bounds, holder.spent, 0)
            if reason is not None:
                return BoundReached(reason, self._may_ask(holder, reason))
        return None

    def tokens_for_answer(self) -> int:
        """Tokens that the next answer may have: what the bounds of all holders leave, at least 1."""
        left = [bounds.tokens_left(holder.job.role.spec.bounds, holder.spent) for holder in self.holders]
        return max(1, min(bounds.DEFAULT_COMPLETION_TOKENS, *left))

    def origins_of(self, value: Any) -> TrustedValues:
        """Which values of something that the model made in this context are trusted: all, or those known before."""
        if self.label.integrity is Integrity.TRUSTED:
            return TrustedValues.of(value)
        return self.trusted.within(value)

    def own_deadline(self) -> tuple[datetime, Reason]:
        """When this step must have ended, whoever delegated it."""
        return bounds.deadline(self.job.started_at, self.job.role.spec.bounds, self.spent, self.job.timeout)

    def deadline(self) -> tuple[datetime, BoundReached]:
        """When this step must have ended: the earliest of its own deadline and those of who delegated."""
        ends = [(holder, *holder.own_deadline()) for holder in self.holders]
        holder, when, reason = min(ends, key=lambda end: end[1])
        return when, BoundReached(reason, self._may_ask(holder, reason))

    def _may_ask(self, holder: StepProgress, reason: Reason) -> bool:
        """A human may extend this role's own bounds; not a delegator's, and none that more would not lift."""
        spec = self.job.role.spec
        liftable = reason.code != bounds.STEP_TIMED_OUT and bounds.comparable(spec.bounds, self.spent.usage)
        return holder is self and spec.on_bound == "escalate" and liftable

    def apply(self, checkpoint: Json) -> None:
        """Takes in what every checkpoint of a step says: its time, and what was spent and learnt."""
        self.at = datetime.fromisoformat(checkpoint["at"])
        if checkpoint.get("label"):
            self.label = self.label.join(Label.from_dict(checkpoint["label"]))
        self.trusted = self.trusted.union(TrustedValues.bounded(checkpoint.get("trusted", ())))
        self.charge(
            bounds.Spent(
                # Asking a human, and waiting for one, is no turn and no effect.
                steps=1 if "kind" in checkpoint or checkpoint.get("status") == "done" else 0,
                model_calls=checkpoint.get("model_calls", 0),
                usage=Usage.from_dict(checkpoint["usage"]) if checkpoint.get("usage") else Usage(),
                bytes_in=checkpoint.get("bytes_in", 0),
                bytes_out=checkpoint.get("bytes_out", 0),
                waited=timedelta(seconds=checkpoint.get("waited", 0.0)),
                calls=dict(checkpoint.get("calls", {})),
            )
        )


@dataclass(frozen=True)
class Workplace:
    """Where a step is worked on: its workflow, and the signal that its run is to be cancelled."""

    durable: Durable
    cancel: CancelSignal


class StepWatcher(Protocol):
    """Sees how far a step has come."""

    def begins(self, progress: StepProgress, name: str) -> None:
        """The durable step `name` is about to begin."""
        ...

    def ends(self, progress: StepProgress) -> None:
        """The step has come to its end."""
        ...
