"""What is told to other systems about approvals: to whom, what, under which id, and how often it is tried.

A message names the action by its digest and says where to look; arguments go along only where the operator says so. It
asks for nothing: whatever a receiver answers, an approval is decided by an authenticated call alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from amas_governance import dlp
from amas_governance.canonical import parse_json

from .approvals import Approval, ApprovalState
from .model import Json
from .notices import Notice, NoticeKind


class WebhookEvent(StrEnum):
    """Types of messages."""

    REQUESTED = "approval.requested"
    REMINDED = "approval.reminded"
    ESCALATED = "approval.escalated"
    DECIDED = "approval.decided"


ALL_EVENTS = frozenset(WebhookEvent)
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 18000))
"""Pauses after failed attempts; after the last one a message is given up. An approval seldom lives longer."""
LINK_FIELD = "{approval}"


@dataclass(frozen=True)
class Endpoint:
    """One receiver of one tenant. `secrets` name files; `networks` are private addresses that it may have."""

    name: str
    tenant: str
    url: str
    secrets: tuple[str, ...]
    events: frozenset[WebhookEvent] = ALL_EVENTS
    arguments: bool = False
    link: str = ""
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """All receivers. A tenant's messages go to that tenant's receivers alone (invariant I8)."""

    all: tuple[Endpoint, ...] = ()

    @property
    def tenants(self) -> frozenset[str]:
        """Tenants that have a receiver."""
        return frozenset(endpoint.tenant for endpoint in self.all)

    def of(self, tenant: str, event: WebhookEvent) -> tuple[Endpoint, ...]:
        """Who is told of such an event of a tenant."""
        return tuple(one for one in self.all if one.tenant == tenant and event in one.events)

    def named(self, tenant: str, name: str) -> Endpoint | None:
        """The receiver of that name, if it is still there."""
        return next((one for one in self.all if one.tenant == tenant and one.name == name), None)


@dataclass(frozen=True)
class Delivery:
    """One message for one receiver. Its id and body are the same at every attempt."""

    id: str
    tenant: str
    endpoint: str
    body: str
    attempts: int = field(default=0, compare=False)


def deliveries(
    endpoints: Endpoints, approval: Approval, notice: Notice | None = None, *, now: datetime
) -> list[Delivery]:
    """The messages about an approval as it stands: that it was asked, that it is decided; or one of its notices."""
    made: list[Delivery] = []
    for event, at, number in _happened(approval, notice, now):
        for endpoint in endpoints.of(approval.tenant, event):
            body = json.dumps(_message(endpoint, event, at, approval, notice), ensure_ascii=False)
            made.append(Delivery(_id(endpoint, event, approval, number), approval.tenant, endpoint.name, body))
    return made


def _happened(approval: Approval, notice: Notice | None, now: datetime) -> list[tuple[WebhookEvent, datetime, int]]:
    if notice is not None:
        event = WebhookEvent.REMINDED if notice.kind is NoticeKind.REMINDED else WebhookEvent.ESCALATED
        return [(event, notice.due_at, notice.number)]
    happened = [(WebhookEvent.REQUESTED, approval.requested_at, 1)]
    if approval.state not in (ApprovalState.OPENING, ApprovalState.PENDING):
        happened.append((WebhookEvent.DECIDED, _decided_at(approval, now), 1))
    return happened


def _decided_at(approval: Approval, now: datetime) -> datetime:
    """At its last answer or its expiry; when a run was cancelled stands in the run, and is about now."""
    if approval.state is ApprovalState.EXPIRED:
        return approval.expires_at
    if approval.state is ApprovalState.CANCELLED:
        return now
    return max(answer.time for answer in approval.answers)


def _message(endpoint: Endpoint, event: WebhookEvent, at: datetime, approval: Approval, notice: Notice | None) -> Json:
    question = approval.approved_question or approval.proposed
    data: Json = {
        "approvalId": approval.id,
        "runId": approval.run_id,
        "step": approval.step,
        "kind": approval.kind.value,
        "tool": approval.tool,
        "role": approval.role,
        "actionDigest": question.action_digest,
        "askedOf": list(notice.groups if notice else approval.requirement.groups),
        "quorum": approval.requirement.quorum,
        "expiresAt": approval.expires_at.isoformat(),
        "path": f"/v1/approvals/{approval.id}",
    }
    if endpoint.link:
        data["link"] = endpoint.link.replace(LINK_FIELD, approval.id)
    if event is WebhookEvent.DECIDED:
        data["state"] = approval.state.value
    if endpoint.arguments:
        data["arguments"] = _without_findings(parse_json(question.arguments_json))
    return {"type": event.value, "timestamp": at.isoformat(), "data": data}


def _without_findings(value: Any) -> Any:
    """The value without personal data and secrets in its strings, keys included; what cannot be read is withheld."""
    if isinstance(value, str):
        try:
            return dlp.redact(value, dlp.scan(value))
        except dlp.ScanRefused:
            return "[withheld]"
    if isinstance(value, dict):
        return {_without_findings(key): _without_findings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_findings(item) for item in value]
    return value


def _id(endpoint: Endpoint, event: WebhookEvent, approval: Approval, number: int) -> str:
    place = "\x00".join([endpoint.tenant, endpoint.name, event.value, approval.id, str(number)])
    return f"msg_{hashlib.sha256(place.encode()).hexdigest()[:32]}"
