"""What the use cases need of their neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .domain.model import Applied, CustomResource, Key


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


class Telemetry(Protocol):
    """What is counted."""

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A round ended: `applied`, `refused` (some resource is not Ready) or `unavailable`."""
        ...

    def resources(self, ready: int, not_ready: int) -> None:
        """How many resources there are."""
        ...
