"""What is kept of a call: the ledger's row, the answer under its idempotency key, and the audit event."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import orjson

from .budgets import BudgetAlert, Hold
from .model import CallContext, CallReport, Operation, Usage

# Contents of a call that are put on record at most, in bytes: half of what an event may carry, since the ledger keeps
# them too until the answer has expired.
MAX_CONTENTS = 4 * 1024 * 1024

MODEL_CALLED = "dev.amas.model.called"
MODEL_REFUSED = "dev.amas.model.refused"
BUDGET_ALERT = "dev.amas.budget.alert"
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
class Answer:
    """An answer to put on record. `body` is what is given again under a key; `request` the body as it came."""

    report: CallReport
    body: bytes
    request: bytes
    response_digest: str
    finish: str = ""
    outcome: str = OK
    hold: Hold | None = None
    # What was blanked in it: detector and count.
    redactions: Mapping[str, int] = field(default_factory=dict)


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
    operation: Operation, route: str, answer: Answer, *, outcome: str, decision_id: str, in_full: bool
) -> dict[str, Any]:
    """The data of a call that was answered; its contents too if `in_full` and they fit into an event."""
    report = answer.report
    data: dict[str, Any] = {
        "callId": report.call_id,
        "operation": operation.value,
        "route": route,
        "provider": report.provider,
        "model": report.model,
        "usage": usage_data(report.usage),
        "attempts": report.attempts,
        "failovers": list(report.failovers),
        "durationMs": report.duration_ms,
        "finishReason": answer.finish,
        "outcome": outcome,
        "decision": decision_id,
        "requestDigest": bytes_digest(answer.request),
        "responseDigest": answer.response_digest,
    }
    if report.cache:
        data["cache"] = report.cache
        data["saved"] = {"amount": f"{report.saved.normalize():f}", "currency": report.usage.currency}
    if answer.redactions:
        data["redactions"] = dict(answer.redactions)
    if in_full and len(answer.request) + len(answer.body) <= MAX_CONTENTS:
        data["request"] = answer.request.decode("utf-8", "replace")
        data["response"] = answer.body.decode("utf-8", "replace")
    elif in_full:
        data["contentsOmitted"] = f"more than {MAX_CONTENTS} bytes"
    return data


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


def alert_data(alert: BudgetAlert) -> dict[str, Any]:
    """The data of a share of a budget that was reached."""
    rule = alert.rule
    data: dict[str, Any] = {
        "budget": rule.name,
        "subject": alert.subject,
        "window": rule.window.value,
        "share": f"{alert.share:.0%}",
        "usedTokens": alert.used.tokens,
    }
    if rule.cost is not None:
        data["used"] = {"amount": f"{alert.used.cost.normalize():f}", "currency": rule.currency}
        data["limit"] = {"amount": f"{rule.cost.normalize():f}", "currency": rule.currency}
    if rule.tokens is not None:
        data["limitTokens"] = rule.tokens
    return data


def alert_id() -> str:
    """A fresh id: the store says each share once, so that no two events are the same."""
    return f"budget-alert:{uuid.uuid4().hex}"


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
