"""Run events and audit records as the use cases make them, before anything stores or sends them.

Each has a key made of its place in the run, never of a clock or a random number: written again after a crash, it is
recognised and stays as it was. A payload holds plain JSON with the field names of the public contract.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from amas_governance.dlp import without_secrets

from .model import Json, Reason, Run, RunState, StepState, Usage

MAX_PREVIEW = 2_000
"""Characters of a tool's answer that an event shows; the model sees more."""
MAX_RECORDED = 512 * 1024
"""Bytes of a run's input, and of an output, that an audit record holds; of a larger one only the size stands there."""


@dataclass(frozen=True)
class NewEvent:
    """An event that is to be written. `key` is unique in its run; `step` is a path, empty for the run as a whole."""

    key: str
    kind: str
    time: datetime
    payload: Json
    step: str = ""


@dataclass(frozen=True)
class StoredEvent:
    """An event as it stands in a run's history; sequences start at 1 without a gap."""

    run_id: str
    sequence: int
    kind: str
    time: datetime
    step: str
    payload: Json


@dataclass(frozen=True)
class AuditRecord:
    """An entry for the audit log; the adapter adds run, tenant, trace, principal and bundle."""

    id: str
    type: str
    time: datetime
    step: str = ""
    role: str = ""
    role_version: str = ""
    data: Json = field(default_factory=dict)


def run_state_changed(
    key: str,
    time: datetime,
    state: RunState,
    *,
    reason: Reason | None = None,
    output_json: str = "",
    usage: Usage | None = None,
) -> NewEvent:
    """The run went into another state."""
    payload = {
        "state": state.value,
        "reason": reason.to_dict() if reason else None,
        "output_json": output_json,
        "usage": usage.to_dict() if usage else None,
    }
    return NewEvent(f"run/{key}", "run_state_changed", time, payload)


def step_state_changed(
    path: str,
    key: str,
    time: datetime,
    state: StepState,
    role: str,
    *,
    reason: Reason | None = None,
    output_json: str = "",
) -> NewEvent:
    """A step went into another state."""
    payload = {
        "state": state.value,
        "role": role,
        "reason": reason.to_dict() if reason else None,
        "output_json": output_json,
    }
    return NewEvent(f"{path}/{key}", "step_state_changed", time, payload, path)


def step_record(
    run: Run, kind: str, path: str, time: datetime, role: tuple[str, str], data: dict[str, Any]
) -> AuditRecord:
    """`dev.amas.step.started` or `.ended` of a step; `role` is its name and version."""
    return AuditRecord(
        id=f"step-{kind}:{run.id}/{path}",
        type=f"dev.amas.step.{kind}",
        time=time,
        step=path,
        role=role[0],
        role_version=role[1],
        data=data,
    )


def recorded_output(value: Any) -> Json:
    """What the record of an end says of the output: the value without secrets, unless it is too large."""
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    return {"output": without_secrets(value) if size <= MAX_RECORDED else None, "output_bytes": size}


def recorded_input(value: Any) -> Json:
    """What the record of a step's start says of its input: the value without secrets, unless it is too large."""
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    return {"input": without_secrets(value) if size <= MAX_RECORDED else None}


def preview(text: str) -> str:
    """The beginning of a text, for people to look at."""
    return text if len(text) <= MAX_PREVIEW else text[: MAX_PREVIEW - 1] + "…"
