"""What the use cases need from outside, as small Protocols. Each has an in-memory twin in tests/fakes.py.

Methods raise AmasError; OwnershipLost goes through everything. Nothing here knows gRPC, SQL or the durable engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from amas_governance.bundle import Bundle
from amas_governance.labels import Label

from .domain.approvals import Answer, Approval, ApprovalState, Requirement
from .domain.conversation import ToolInfo
from .domain.events import AuditRecord, NewEvent, StoredEvent
from .domain.model import Json, Principal, Reason, Run, RunState, Usage
from .domain.signals import CancelSignal

Body = Callable[[], Awaitable[Json]]
"""The body of a durable step: run at least once, its result kept."""


@dataclass(frozen=True)
class Actor:
    """Who acts in a run, where: what policy and router need to know for each call."""

    principal: Principal
    bundle: str
    run_id: str
    orchestration: str
    step: str
    role: str
    turn: int
    fencing_token: int
    delegated_by: tuple[str, ...] = ()
    label: Label = field(default_factory=Label)


@dataclass(frozen=True)
class ModelReply:
    """A Chat Completions response (JSON bytes) and how it was served."""

    body: bytes
    provider: str
    model: str
    usage: Usage
    attempts: int
    duration_ms: int


@dataclass(frozen=True)
class Grant:
    """What humans answered, for the policy-sidecar to hold against the action."""

    approval_id: str
    action_digest: str
    bundle: str
    requester: str
    answers: tuple[Answer, ...]
    expires_at: datetime
    repeats_unknown_outcome: bool = False


@dataclass(frozen=True)
class Decision:
    """What policy said. `effect` is allow, deny or escalate."""

    id: str
    effect: str
    reasons: tuple[Reason, ...]
    obligations: tuple[str, ...]
    bundle: str
    action_digest: str
    requirement: Requirement | None = None

    def to_dict(self) -> Json:
        """Plain JSON form, as events carry it."""
        return {
            "id": self.id,
            "effect": self.effect,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "obligations": list(self.obligations),
            "bundle": self.bundle,
            "action_digest": self.action_digest,
            "requirement": self.requirement.to_dict() if self.requirement else None,
        }


@dataclass(frozen=True)
class Enforced:
    """A decision and, if it was allowed, what came of the call. `outcome`: not_called, succeeded, failed or unknown."""

    decision: Decision
    outcome: str
    text: str = ""
    label: Label = field(default_factory=Label)
    duration_ms: int = 0


class ModelClient(Protocol):
    """Model calls, through the ai-router."""

    async def complete(self, actor: Actor, route: str, body: bytes, key: str) -> ModelReply:
        """Answers a Chat Completions request; the same key is the same call. The caller bounds the wait."""
        ...


class Enforcer(Protocol):
    """The only way to a tool: the policy-sidecar."""

    async def list_tools(self, actor: Actor) -> list[ToolInfo]:
        """What the role may call."""
        ...

    async def enforce(self, actor: Actor, tool: str, arguments: Json, key: str, grant: Grant | None = None) -> Enforced:
        """Decides and, if allowed, calls. The same key is the same attempt."""
        ...

    async def describe(self, bundle: str, server: str, tenant: str) -> tuple[list[ToolInfo], str, str]:
        """What a live tool server offers, the pin of that, and the accepted pin (empty: none)."""
        ...


class AuditLog(Protocol):
    """The append-only record."""

    async def append(self, run: Run, records: Sequence[AuditRecord], fencing_token: int) -> None:
        """Appends in order; answers only after the commit. What was there already stays as it was."""
        ...

    async def append_for_tenant(self, principal: Principal, record: AuditRecord, bundle: str) -> None:
        """Appends an event that belongs to no run."""
        ...


class RunStore(Protocol):
    """Runs and their events. Every method sees one tenant's rows only, or is for a run that the executor holds."""

    async def create(self, run: Run, idempotency_key: str, request_digest: str) -> tuple[Run, bool]:
        """Stores a new run with its first event; (run, existed). Another request under the key is refused."""
        ...

    async def get(self, tenant: str, run_id: str) -> Run | None:
        """A run with its steps."""
        ...

    async def page(self, tenant: str, orchestration: str, state: RunState | None, size: int, before: str) -> list[Run]:
        """Newest first, without steps; `before` is the id that the page starts below."""
        ...

    async def begin(self, run_id: str, now: datetime) -> Run | None:
        """The run for its executor, marked as started (once) and running; None if it is not there."""
        ...

    async def record(self, run_id: str, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        """Writes events that are not there yet, gap-free, and what they change in the run, at once.

        True if somebody asked for the run to be cancelled. Raises OwnershipLost if the token is not the run's.
        """
        ...

    async def request_cancel(self, tenant: str, run_id: str, by: str, reason: str, now: datetime) -> Run | None:
        """Notes that the run is to be cancelled, and cancels its pending approvals."""
        ...

    async def take_over(self, run_id: str, now: datetime) -> Run | None:
        """Raises the fencing token, with the event that says so; None when the run has ended."""
        ...

    async def events(self, tenant: str, run_id: str, after: int, limit: int) -> list[StoredEvent]:
        """Events after a sequence, in order."""
        ...


class ApprovalStore(Protocol):
    """Approvals and their answers."""

    async def open(self, approval: Approval) -> Approval:
        """Stores it as `opening`, unless it is there; the stored one."""
        ...

    async def publish(self, approval: Approval, fencing_token: int, events: Sequence[NewEvent]) -> bool:
        """Makes it pending, and writes the events, at once. True if the run is to be cancelled."""
        ...

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """One approval with its answers; not while it is opening."""
        ...

    async def page(
        self, tenant: str, run_id: str, state: ApprovalState | None, size: int, before: str
    ) -> list[Approval]:
        """Newest first."""
        ...

    async def decide(
        self,
        tenant: str,
        approval_id: str,
        rule: Callable[[Approval], Approval],
        event: Callable[[Approval], NewEvent],
    ) -> Approval | None:
        """Applies a rule to the locked row and stores what it says, with its event, at once; None if there is none."""
        ...

    async def settle(self, approval_id: str, now: datetime) -> Approval:
        """What the approval has come to; a pending one that is past its expiry becomes expired."""
        ...

    async def others_pending(self, run_id: str, approval_id: str) -> bool:
        """Whether the run waits for another approval as well."""
        ...

    async def cancel_pending(self, run_id: str) -> None:
        """Cancels what a run that ends still asks humans."""
        ...

    async def unsent_wakes(self, limit: int) -> list[Approval]:
        """Decided approvals whose waiting run may not have been woken."""
        ...

    async def wake_sent(self, approval_id: str) -> None:
        """The waiting run has been woken."""
        ...


@dataclass(frozen=True)
class BundleInfo:
    """A bundle without its content."""

    digest: str
    tenant: str
    created_at: datetime
    created_by: str
    active: bool


class BundleStore(Protocol):
    """The tenants' bundles and which one is active."""

    async def active(self, tenant: str) -> tuple[BundleInfo, Bundle] | None:
        """The bundle under which new runs start."""
        ...

    async def get(self, tenant: str, digest: str) -> tuple[BundleInfo, Bundle] | None:
        """A bundle by its digest."""
        ...

    async def pinned(self, tenant: str, digest: str) -> Bundle | None:
        """The same without what may change about it: costs nothing once the bundle is known."""
        ...

    async def activate(self, principal: Principal, bundle: Bundle, expected: str, now: datetime) -> BundleInfo:
        """Stores a bundle and makes it the active one, unless another than `expected` is by now (ABORTED)."""
        ...


class ExecutorStore(Protocol):
    """Leases of executors, by the database's clock."""

    async def register(self, executor_id: str, lease_seconds: float) -> None:
        """A new executor with a new lease."""
        ...

    async def renew(self, executor_id: str, lease_seconds: float) -> bool:
        """False when the executor was declared dead, which is final."""
        ...

    async def release(self, executor_id: str) -> None:
        """The executor has stopped; its runs may be taken over at once."""
        ...

    async def claim_dead(self, executor_id: str, lease_seconds: float, *, only_released: bool) -> list[str]:
        """Executors whose lease ran out or was released, now the caller's to clear for one lease."""
        ...

    async def unknown(self, executor_ids: Sequence[str]) -> list[str]:
        """Those that have no lease and never get one again: they are dead for certain."""
        ...

    async def cleared(self, dead_id: str) -> None:
        """Nothing of a dead executor is left to take over."""
        ...


class Durable(Protocol):
    """One workflow of the durable engine, seen from inside."""

    @property
    def workflow_id(self) -> str:
        """Where messages for this workflow go."""
        ...

    async def step(self, name: str, body: Body) -> Json:
        """Runs the body at least once and keeps its result; a kept result is answered without running it."""
        ...

    async def receive(self, topic: str, timeout_seconds: float) -> Json | None:
        """The next message on a topic, also one sent before or while no executor ran; None after the time-out."""
        ...

    async def spawn(self, path: str, arguments: Json) -> Json:
        """Runs a step of the graph as a workflow of its own, once for each path, and answers its result."""
        ...


class Engine(Protocol):
    """The durable engine, seen from outside a workflow."""

    async def enqueue(self, run: Run) -> None:
        """Queues the run's workflow; again is the same."""
        ...

    async def send(self, workflow_id: str, topic: str, message: Json, key: str) -> None:
        """Sends a message that is delivered once for each key."""
        ...

    async def executors_at_work(self) -> set[str]:
        """Ids of all executors that have unfinished workflows, living or not."""
        ...

    async def stranded(self, executor_id: str) -> dict[str, list[str]]:
        """Runs with unfinished workflows of an executor, and all unfinished workflows of these runs."""
        ...

    async def resume(self, workflow_ids: Sequence[str]) -> None:
        """Lets living executors go on with workflows."""
        ...


class Cancellations(Protocol):
    """Tells a running step that its run is to be stopped."""

    def watch(self, run_id: str) -> AbstractContextManager[CancelSignal]:
        """A signal that is set when the run is to be cancelled; while the context lasts."""
        ...


class EventWakes(Protocol):
    """Tells watchers that a run may have new events."""

    async def wait(self, run_id: str, timeout_seconds: float) -> None:
        """Until something was written about the run, or the time is over; false alarms are allowed."""
        ...

    @property
    def closing(self) -> bool:
        """Whether watchers should go away, because the process ends."""
        ...


class Metrics(Protocol):
    """What operators see of runs."""

    def run_ended(self, state: str, seconds: float) -> None:
        """A run came to an end."""
        ...

    def step_ended(self, state: str) -> None:
        """A step came to an end."""
        ...

    def model_called(self, usage: Mapping[str, Any]) -> None:
        """A model answered."""
        ...

    def tool_called(self, effect: str) -> None:
        """Policy decided a tool call."""
        ...

    def waited_for(self, dependency: str) -> None:
        """A dependency was away and is asked again."""
        ...

    def taken_over(self) -> None:
        """A run was taken over from another executor."""
        ...
