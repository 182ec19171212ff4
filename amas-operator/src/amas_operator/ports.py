"""What the use cases need of their neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .domain.model import Applied, CustomResource, Key
from .domain.runs import RunObject, RunSeen


class Cluster(Protocol):
    """The custom resources of the namespace. Each method raises UnavailableError if the API server does not answer."""

    async def resources(self) -> list[CustomResource]:
        """All of them, of every kind."""
        ...

    async def write_status(self, resource: CustomResource, status: Mapping[str, Any]) -> None:
        """Replaces the status; raises ChangedMeanwhileError if the resource is gone."""
        ...

    async def hold(self, resource: CustomResource) -> CustomResource:
        """Puts our finalizer on it, and answers it so; raises ChangedMeanwhileError if it changed since it was read."""
        ...

    async def release(self, resource: CustomResource) -> None:
        """Takes our finalizer off; raises ChangedMeanwhileError if it changed since it was read."""
        ...


class Platform(Protocol):
    """AMAS, as the tenant that the namespace belongs to."""

    async def apply(self, manifests: Mapping[Key, Mapping[str, Any]], delete: Sequence[Key]) -> Applied:
        """Applies all or nothing. Raises RefusedError, NotAllowedError or UnavailableError."""
        ...

    async def has(self, key: Key) -> bool:
        """Whether the platform has such a resource. Raises NotAllowedError or UnavailableError."""
        ...


class RunObjects(Protocol):
    """The mirrored runs of the namespace, which are ours alone. Raises UnavailableError as `Cluster` does."""

    async def mirrored(self) -> list[RunObject]:
        """All that we wrote."""
        ...

    async def create(self, name: str, status: Mapping[str, Any]) -> None:
        """Writes a new one; raises ChangedMeanwhileError if somebody has taken the name."""
        ...

    async def update(self, run: RunObject, status: Mapping[str, Any]) -> None:
        """Replaces its status; raises ChangedMeanwhileError if it is gone."""
        ...

    async def delete(self, name: str) -> None:
        """Deletes it; raises ChangedMeanwhileError if it is gone."""
        ...


class Runs(Protocol):
    """The tenant's runs on the platform."""

    async def newest(self, count: int) -> list[RunSeen]:
        """The newest, at most `count`, never a part. Raises UnavailableError, NotAllowedError or RefusedError."""
        ...


class Telemetry(Protocol):
    """What is counted."""

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A round ended: `applied`, `refused` (some resource is not Ready) or `unavailable`."""
        ...

    def resources(self, ready: int, not_ready: int) -> None:
        """How many resources there are."""
        ...

    def mirrored(self, outcome: str) -> None:
        """A round over runs ended: `mirrored` or `unavailable`."""
        ...

    def runs(self, count: int) -> None:
        """How many runs are mirrored."""
        ...
