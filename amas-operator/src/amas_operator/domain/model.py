"""What the operator knows of: custom resources, and what became of them on the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

FINALIZER = "amas.dev/platform"
"""Keeps a custom resource until the platform has let go of what it says."""


class Key(NamedTuple):
    """Names a resource within the namespace, and so within the tenant."""

    kind: str
    name: str

    def __str__(self) -> str:
        """`AgentRole/writer`, as it stands for a file."""
        return f"{self.kind}/{self.name}"


class Reason(StrEnum):
    """Why a resource is Ready or not: the condition's reason."""

    APPLIED = "Applied"
    INVALID = "Invalid"
    """It is no resource, whatever else there is."""
    REFUSED = "Refused"
    """It does not fit what else is on the platform, or the tenant's policy does not let us apply it."""
    STILL_NEEDED = "StillNeeded"
    """It is being deleted, and others refer to it."""
    PLATFORM_UNAVAILABLE = "PlatformUnavailable"


@dataclass(frozen=True)
class Verdict:
    """What became of a resource; `ready` None: not known yet. `bundle` names what it is in force in."""

    ready: bool | None
    reason: Reason
    message: str
    bundle: str = ""


@dataclass(frozen=True)
class CustomResource:
    """A custom resource as the API server has it."""

    key: Key
    generation: int
    resource_version: str
    manifest: Mapping[str, Any]
    """As its author wrote it; whether it is a resource is still to be seen."""
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A problem that the platform has with a request; `file` is the name under which we sent a resource, or empty."""

    file: str
    text: str


@dataclass(frozen=True)
class Applied:
    """The platform took it. `changed` are the resources that are other than before."""

    bundle: str
    changed: frozenset[Key]
    warnings: Sequence[Found] = ()
