"""What is kept of a call: the ledger's row, the answer under its idempotency key, and the audit event."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from .model import CallContext, CallReport, Operation, Usage

MODEL_CALLED = "dev.amas.model.called"
MODEL_REFUSED = "dev.amas.model.refused"
STREAM_STARTED = "dev.amas.model.stream_started"

# Outcomes of a call that used something.
OK = "ok"
BROKEN = "broken"
CANCELLED = "cancelled"
# An attempt that failed after the request was sent: what it may have cost is estimated and counted.
LOST = "lost"
# A call that outlived its reservation and fits no budget any more: on record, counted nowhere.
LATE = "late"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event for the audit log; `data_json` is a JSON object. The same id always has the same content."""

    id: str
    type: str
    time: datetime
    tenant: str
    run_id: str
    step: str
    trace_id: str
    span_id: str
    principal: str
    role: str
    role_version: str
    bundle: str
    data_json: str

    def to_json(self) -> str:
        """Text from which `from_json` gives the very same event."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> AuditEvent:
        """The event of `to_json`."""
        fields = orjson.loads(text)
        return cls(**{**fields, "time": datetime.fromisoformat(fields["time"])})


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A row of the ledger."""

    context: CallContext
    route: str
    operation: Operation
    outcome: str
    report: CallReport
    trace_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class KeyScope:
    """Where an idempotency key holds: one principal of one tenant."""

    tenant: str
    principal: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that is given again for the same key."""

    request_digest: str
    body: bytes
    report: CallReport
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class TraceIds:
    """Ids of the current span; empty outside one."""

    trace_id: str
    span_id: str


def scope_of(context: CallContext) -> KeyScope | None:
    """The key's scope, or None for a call without one."""
    if not context.idempotency_key:
        return None
    return KeyScope(context.principal.tenant, context.principal.subject, context.idempotency_key)


def call_id_for(scope: KeyScope | None) -> str:
    """An id that follows from the key, so that the same call after a crash is the same event; random without one."""
    if scope is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{scope.tenant}\0{scope.principal}\0{scope.key}".encode()).hexdigest()[:32]


def bytes_digest(content: bytes) -> str:
    """`sha256:<hex>` of the bytes as they are."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def usage_data(usage: Usage) -> dict[str, Any]:
    """Usage as events carry it; money is a decimal string."""
    tokens = usage.tokens
    return {
        "inputTokens": tokens.input,
        "cachedInputTokens": tokens.cached_input,
        "outputTokens": tokens.output,
        "estimated": tokens.estimated,
        "cost": {"amount": f"{usage.cost.normalize():f}", "currency": usage.currency},
    }


def called_data(
    operation: Operation, route: str, report: CallReport, *, outcome: str, finish: str, decision_id: str
) -> dict[str, Any]:
    """The data of a call that was answered."""
    return {
        "callId": report.call_id,
        "operation": operation.value,
        "route": route,
        "provider": report.provider,
        "model": report.model,
        "usage": usage_data(report.usage),
        "attempts": report.attempts,
        "failovers": list(report.failovers),
        "durationMs": report.duration_ms,
        "finishReason": finish,
        "outcome": outcome,
        "decision": decision_id,
    }


def refused_data(
    operation: Operation, route: str, reason: str, failovers: Sequence[str], decision_id: str
) -> dict[str, Any]:
    """The data of a call that was not answered."""
    return {
        "operation": operation.value,
        "route": route,
        "reason": reason,
        "failovers": list(failovers),
        "decision": decision_id,
    }


def make_event(
    event_id: str,
    event_type: str,
    context: CallContext,
    role_version: str,
    time: datetime,
    trace: TraceIds,
    data: dict[str, Any],
) -> AuditEvent:
    """An event about a call in this context."""
    return AuditEvent(
        id=event_id,
        type=event_type,
        time=time,
        tenant=context.principal.tenant,
        run_id=context.run_id,
        step=context.step,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        principal=context.principal.subject,
        role=context.role,
        role_version=role_version,
        bundle=context.bundle,
        data_json=orjson.dumps(data).decode(),
    )
