"""The vocabulary of runs: states, principals, usage, reasons and the run itself.

Values that are written into checkpoints have `to_dict` and `from_dict`, and their form changes only together with the
application version (docs/adr/0003-durable-engine.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from amas_governance.provenance import TrustedValues

Json = dict[str, Any]
"""A JSON object, as it stands in checkpoints, events and audit data."""


class RunState(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens in the run."""
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.REJECTED, RunState.CANCELLED)


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Principal:
    """Who asks, as the gateway verified it."""

    subject: str
    issuer: str
    tenant: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    # The application of the token; empty if it named none.
    client_id: str = ""

    def to_dict(self) -> Json:
        """Plain JSON form."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "tenant": self.tenant,
            "roles": list(self.roles),
            "groups": list(self.groups),
            "clientId": self.client_id,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Principal:
        """The principal of `to_dict`."""
        return cls(
            subject=value["subject"],
            issuer=value["issuer"],
            tenant=value["tenant"],
            roles=tuple(value["roles"]),
            groups=tuple(value["groups"]),
            client_id=value["clientId"],
        )


@dataclass(frozen=True)
class Reason:
    """A stable code for machines and a sentence for people."""

    code: str
    message: str

    def to_dict(self) -> Json:
        """Plain JSON form."""
        return {"code": self.code, "message": self.message}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any] | None) -> Reason | None:
        """The reason of `to_dict`; None stays None."""
        return cls(value["code"], value["message"]) if value else None


@dataclass(frozen=True)
class Usage:
    """What model calls used: tokens, and money as a decimal with its currency (empty while nothing was spent)."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    currency: str = ""
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Tokens that count towards a bound."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
            self.currency or other.currency,
            self.estimated or other.estimated,
        )

    def to_dict(self) -> Json:
        """Plain JSON form; the cost is a decimal string."""
        return {
            "input_tokens": self.input_tokens,
            "cached_input_tokens": self.cached_input_tokens,
            "output_tokens": self.output_tokens,
            "cost": f"{self.cost:f}",
            "currency": self.currency,
            "estimated": self.estimated,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Usage:
        """The usage of `to_dict`."""
        return cls(
            int(value["input_tokens"]),
            int(value["cached_input_tokens"]),
            int(value["output_tokens"]),
            Decimal(value["cost"]),
            str(value["currency"]),
            bool(value["estimated"]),
        )


@dataclass(frozen=True)
class StepStatus:
    """A step as a client sees it."""

    path: str
    role: str
    state: StepState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class Run:
    """One execution of an orchestration. `input` and `output` are JSON texts."""

    id: str
    principal: Principal
    orchestration: str
    orchestration_version: str
    bundle: str
    state: RunState
    traceparent: str
    input_json: str
    created_at: datetime
    fencing_token: int = 1
    output_json: str = ""
    reason: Reason | None = None
    usage: Usage = field(default_factory=Usage)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel: Json | None = None
    """Who asked for the run to be cancelled, and why; None while nobody did."""
    steps: tuple[StepStatus, ...] = ()

    @property
    def tenant(self) -> str:
        """The tenant that the run belongs to."""
        return self.principal.tenant

    @property
    def trace_id(self) -> str:
        """The 32 hex digits in the middle of the W3C traceparent; empty when the run has none."""
        parts = self.traceparent.split("-")
        return parts[1] if len(parts) == 4 else ""


@dataclass(frozen=True)
class StepResult:
    """How a step of the graph ended; what later steps and the run's result are made of.

    `trusted` holds the values of the output that stem from trusted input, whatever the label of the whole is.
    """

    state: StepState
    ended_at: datetime
    output: Any = None
    reason: Reason | None = None
    usage: Usage = field(default_factory=Usage)
    label: Json = field(default_factory=dict)
    trusted: TrustedValues = TrustedValues.NONE

    def to_dict(self) -> Json:
        """Plain JSON form, for the checkpoint of a step that ran as a workflow of its own."""
        return {
            "state": self.state.value,
            "ended_at": self.ended_at.isoformat(),
            "output": self.output,
            "reason": self.reason.to_dict() if self.reason else None,
            "usage": self.usage.to_dict(),
            "label": self.label,
            "trusted": self.trusted.to_list(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> StepResult:
        """The result of `to_dict`."""
        return cls(
            StepState(value["state"]),
            datetime.fromisoformat(value["ended_at"]),
            value["output"],
            Reason.from_dict(value["reason"]),
            Usage.from_dict(value["usage"]),
            dict(value["label"]),
            TrustedValues.bounded(value["trusted"]),
        )
