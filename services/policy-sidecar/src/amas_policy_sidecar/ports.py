"""What the use cases need from the world: a policy engine, tools, quotas, revocations, the audit log, bundles.

Every method of a port either does what it says or raises; none answers "perhaps".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from amas_governance.bundle import Bundle, PolicySet
from amas_governance.resources import ToolServer
from amas_governance.revocations import Revoked

from .domain.autonomy import Standing, Subject, Tally
from .domain.model import Event, ToolAnswer, ToolList
from .domain.quota import QuotaClaim, QuotaVerdict, Used


class PolicyEngine(Protocol):
    """Evaluates the bundle's policies. Any failure is AmasError UNAVAILABLE, reason POLICY_ENGINE_UNAVAILABLE."""

    async def load(self, bundle: str, policies: PolicySet) -> None:
        """Make the policies of a bundle ready; idempotent by digest."""
        ...

    async def decide(self, bundle: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """What `data.amas.main.decision` says about the document."""
        ...

    async def check(self) -> None:
        """Return if the engine can decide; raise if not."""
        ...


class Bundles(Protocol):
    """The bundles that this process holds, bounded in number."""

    def get(self, digest: str) -> Bundle:
        """The bundle; raises AmasError FAILED_PRECONDITION, reason BUNDLE_UNKNOWN."""
        ...

    def put(self, bundle: Bundle) -> None:
        """Keep the bundle; the one that was used longest ago makes room."""
        ...


class ToolServers(Protocol):
    """The live tool servers, one supervised session for each tenant and definition."""

    async def list_tools(self, tenant: str, server: ToolServer) -> ToolList:
        """What the server offers now.

        Raises AmasError UNAVAILABLE, reason TOOL_SERVER_UNAVAILABLE, and Denied where nothing may be sent to it.
        """
        ...

    async def call(self, tenant: str, server: ToolServer, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call once, never repeat; raises ToolFailed, which says whether the request may have reached the tool."""
        ...


class Revocations(Protocol):
    """What is revoked, in the store that all replicas share.

    When it cannot be known: AmasError UNAVAILABLE, REVOCATIONS_UNKNOWN.
    """

    async def current(self) -> Revoked:
        """What is revoked, as it was at most a second ago; from memory in nearly all cases."""
        ...

    async def newest(self) -> Revoked:
        """What is revoked now."""
        ...

    async def replace(self, revoked: Revoked) -> int:
        """Make it all that is revoked, unless the store has it or something newer; the version that the store has."""
        ...


class Quota(Protocol):
    """Counts in a store that all replicas share. When it cannot answer: AmasError UNAVAILABLE, QUOTA_UNAVAILABLE.

    In the same step it says what of a claim's needs is revoked; if it has lost that: REVOCATIONS_UNKNOWN.
    """

    async def peek(self, claim: QuotaClaim) -> QuotaVerdict:
        """What `take` would say, without taking."""
        ...

    async def take(self, claim: QuotaClaim) -> QuotaVerdict:
        """Count the call and hold what it may use, of all of its bounds at once or of none."""
        ...

    async def settle(self, claim: QuotaClaim, used: Used) -> None:
        """Count what the call has used in place of what it holds; never raises, since a hold ends by itself in time."""
        ...


@dataclass(frozen=True)
class AppendAnswer:
    """Whether the events stand in the log as sent. False: one of the ids stands there with other content."""

    recorded: bool
    duplicate: bool


@dataclass(frozen=True)
class Count:
    """One end of an action for one subject's error budget."""

    subject: Subject
    bad: bool


@dataclass(frozen=True)
class Reading:
    """What the store holds of a subject, by its own clock (seconds)."""

    now: float
    tally: Tally
    standing: Standing | None


class AutonomyStore(Protocol):
    """Error budgets and levels, shared by all replicas. When it cannot answer: UNAVAILABLE, QUOTA_UNAVAILABLE."""

    async def count(self, tenant: str, key: str, counts: Sequence[Count]) -> None:
        """Count the end of an action once for its idempotency key."""
        ...

    async def read(self, tenant: str, subject: Subject) -> Reading:
        """The outcomes within the subject's window, and its level."""
        ...

    async def move(self, tenant: str, subject: Subject, before: Standing | None, after: Standing) -> bool:
        """Change the level if it still is as it was read; answers whether it was."""
        ...


class AuditLog(Protocol):
    """The append-only log. When it cannot answer: AmasError UNAVAILABLE, reason AUDIT_UNAVAILABLE."""

    async def append(self, events: Sequence[Event], *, fencing_token: int = 0) -> AppendAnswer:
        """Return once the events are committed, all or none; raises FAILED_PRECONDITION, reason FENCED."""
        ...

    async def find(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The data of those events that the tenant has in the log, by id."""
        ...


class EventOutbox(Protocol):
    """Events that nothing follows from, on their way to audit: kept in memory until it has them."""

    def put(self, event: Event) -> bool:
        """Returns at once; False if there was no room, which is counted and logged there."""
        ...
