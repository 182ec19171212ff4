"""Other services as the use cases need them: models, enforcement, the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from amas_governance.bundle import Bundle
from amas_governance.labels import Label
from amas_governance.provenance import TrustedValues

from amas_orchestrator.domain.approvals import Answer
from amas_orchestrator.domain.conversation import ServerOffer, ToolInfo
from amas_orchestrator.domain.events import AuditRecord
from amas_orchestrator.domain.model import Json, Principal, Reason, Run, Usage
from amas_orchestrator.domain.requirement import Requirement


@dataclass(frozen=True)
class Actor:
    """Who acts in a run, where: what policy and router need to know for each call.

    `label` and `trusted` say what the context is made of: how high it stands, and which of its values stem from
    trusted input.
    """

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
    trusted: TrustedValues = TrustedValues.NONE
    approvals_waiting: int | None = None
    """Approvals of the tenant that wait for people, where a contract bounds them."""


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
    requested_at: datetime
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
    """A decision and, if it was allowed, what came of the call. `outcome`: not_called, succeeded, failed or unknown.

    `trusted` holds the values of the answer, if the enforcer says that they stem from trusted input.
    """

    decision: Decision
    outcome: str
    text: str = ""
    label: Label = field(default_factory=Label)
    duration_ms: int = 0
    trusted: TrustedValues = TrustedValues.NONE


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

    async def decide(self, actor: Actor, tool: str, arguments: Json) -> Decision:
        """What enforcement would decide now; does nothing."""
        ...

    async def enforce(self, actor: Actor, tool: str, arguments: Json, key: str, grant: Grant | None = None) -> Enforced:
        """Decides and, if allowed, calls. The same key is the same attempt."""
        ...

    async def may_delegate(self, actor: Actor, delegate: str, task: Json) -> Decision:
        """Whether the actor may hand a sub-task to another role; the decision is on record when it is answered."""
        ...

    async def describe(self, bundle: str, server: str, tenant: str) -> ServerOffer:
        """What a live tool server offers, the pin of that, and the accepted pin (empty: none)."""
        ...


@dataclass(frozen=True)
class Inspected:
    """An answer as callers may see it (JSON text), and what the rules deny of it, as `category/detector`."""

    shown_json: str
    denied: tuple[str, ...] = ()


class Inspector(Protocol):
    """What callers may see of a run, by the rules of its orchestration."""

    async def inspect(self, run: Run, values_json: Sequence[str]) -> list[Inspected]:
        """One result for each JSON text, in order."""
        ...


class Administration(Protocol):
    """Who may administer a tenant: the policies of a bundle, asked at the policy-sidecar."""

    async def may_administer(
        self, principal: Principal, bundle: Bundle, verb: str, resources: Sequence[tuple[str, str]]
    ) -> Decision:
        """Whether the principal may do this to these resources (kind and name); on record when it is answered."""
        ...


class AuditLog(Protocol):
    """The append-only record."""

    async def append(self, run: Run, records: Sequence[AuditRecord], fencing_token: int) -> None:
        """Appends in order; answers only after the commit. What was there already stays as it was."""
        ...

    async def append_for_tenant(self, principal: Principal, record: AuditRecord, bundle: str) -> None:
        """Appends an event that belongs to no run."""
        ...
