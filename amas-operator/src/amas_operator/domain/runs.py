"""Runs as the cluster shows them, and what is to be written of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .statuses import bounded, timestamp

CURRENT = "Current"
MIRROR_LABEL = "amas.dev/mirror"
MIRROR_VALUE = "runs"
"""Marks what the operator wrote, and so may delete."""


@dataclass(frozen=True)
class RunSeen:
    """A run as the platform lists it, without what it was given and what it made."""

    id: str
    orchestration: str
    state: str
    """In lower case: `running`."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cost: str
    currency: str
    trace_id: str
    approvals_waiting: int = 0


@dataclass(frozen=True)
class RunObject:
    """A mirrored run as the API server has it."""

    name: str
    status: Mapping[str, Any]


def seen_status(run: RunSeen, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The status of a run that the platform has just listed."""
    texts = {
        "startedAt": timestamp(run.started_at.astimezone(UTC)) if run.started_at else "",
        "endedAt": timestamp(run.ended_at.astimezone(UTC)) if run.ended_at else "",
        "cost": run.cost,
        "currency": run.currency if run.cost else "",
        "traceId": run.trace_id,
    }
    return {
        "orchestration": run.orchestration,
        "state": run.state,
        "approvalsWaiting": run.approvals_waiting,
        "createdAt": timestamp(run.created_at.astimezone(UTC)),
        **{name: text for name, text in texts.items() if text},
        "conditions": [_condition(before, now, "True", "Seen", "as the platform lists it")],
    }


def unseen_status(
    before: Mapping[str, Any], now: datetime, last_seen: datetime | None, reason: str, why: str
) -> dict[str, Any]:
    """The status of a run that the platform does not tell about now: all stays, and the condition says since when.

    `last_seen` None: not by this process. It was seen when the condition became true, if that is known.
    """
    held = _current(before)
    if held.get("status") == "False":
        return dict(before)
    last = timestamp(last_seen) if last_seen else str(held.get("lastTransitionTime") or "an unknown time")
    condition = _condition(before, now, "False", reason, f"last seen {last}: {why}")
    return {**before, "conditions": [condition]}


def _current(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((one for one in status.get("conditions") or [] if one.get("type") == CURRENT), {})


def _condition(before: Mapping[str, Any], now: datetime, status: str, reason: str, message: str) -> dict[str, Any]:
    held = _current(before)
    since = held.get("lastTransitionTime") if held.get("status") == status else None
    return {
        "type": CURRENT,
        "status": status,
        "reason": reason,
        "message": bounded(message),
        "lastTransitionTime": since or timestamp(now),
    }
