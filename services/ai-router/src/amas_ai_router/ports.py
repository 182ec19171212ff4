"""What the use cases need of the world, in their own words. Errors are AmasError unless a method says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from amas_ai_router.domain.budgets import Amount, BudgetRule, BudgetState, Hold
from amas_ai_router.domain.cache_keys import CacheKey
from amas_ai_router.domain.cached_answers import Begun, Embedding, Neighbour
from amas_ai_router.domain.lexical_embedding import Vector
from amas_ai_router.domain.model import CallContext, Decision, Operation, ProviderAnswer, Target
from amas_ai_router.domain.records import AuditEvent, CallRecord, KeptAnswer, KeyScope
from amas_ai_router.domain.usage_query import UsageGroup, UsageQuery, UsageSum


class ProviderStream(Protocol):
    """The events of one streamed answer."""

    async def next(self) -> bytes | None:
        """The next event's data, or None after the provider said that it is done. Raises AttemptError."""
        ...

    async def close(self) -> None:
        """Gives the connection up; the provider sees that nobody listens. Safe to call twice."""
        ...


class Providers(Protocol):
    """Model providers. Both methods raise AttemptError, or RejectedError for the caller's mistake."""

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """The whole answer of a target, within the target's total time-out."""
        ...

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> ProviderStream:
        """A stream whose status and headers are good; the caller keeps the time."""
        ...


class Policy(Protocol):
    """The policy-sidecar."""

    async def decide(self, context: CallContext, route: str) -> Decision:
        """May this caller use the route? Reason BUNDLE_UNKNOWN asks for `load_bundle`."""
        ...

    async def load_bundle(self, digest: str, content: bytes) -> None:
        """Hands a bundle over."""
        ...

    async def revocations_version(self) -> int:
        """Changes when something is revoked or restored: what was decided before is void. UNAVAILABLE if unknown."""
        ...


class AuditLog(Protocol):
    """The audit service."""

    async def append(self, event: AuditEvent, fencing_token: int = 0) -> None:
        """Returns only when the event is on record. Raises UNAVAILABLE, or FENCED for a late executor."""
        ...


class EventOutbox(Protocol):
    """Events that nobody waits for, on their way to audit: kept in memory until it has them."""

    def put(self, event: AuditEvent) -> bool:
        """Returns at once; False if there was no room, which is counted and logged there."""
        ...

    def check_room(self) -> None:
        """Raises UNAVAILABLE, reason OUTBOX_FULL, if new calls must wait until audit has caught up."""
        ...


class BundleStore(Protocol):
    """Contents of bundles, kept over restarts."""

    async def content(self, digest: str) -> bytes | None:
        """The content, or None if it was never given."""
        ...

    async def put(self, digest: str, content: bytes) -> None:
        """Keeps a content; the same again changes nothing."""
        ...


class Ledger(Protocol):
    """Usage and cost of every call, and the answers kept for idempotency keys."""

    async def find_kept(self, scope: KeyScope, context: CallContext) -> KeptAnswer | None:
        """The answer kept for a key. Raises FENCED if a later executor was seen for the context's run."""
        ...

    async def record(self, record: CallRecord, scope: KeyScope | None, kept: KeptAnswer | None) -> bool:
        """Writes the row and the kept answer in one transaction.

        False: the key has an answer already, and nothing was written. Raises FENCED for a late executor.
        """
        ...

    async def sums(self, query: UsageQuery, after: UsageGroup | None, limit: int) -> Sequence[UsageSum]:
        """Sums in the order of their groups, after a group, at most `limit`."""
        ...


class Budgets(Protocol):
    """What is spent and held under each budget, over all routers. Fail closed: no answer, no reservation."""

    async def reserve(self, rules: Sequence[BudgetRule], context: CallContext, most: Amount) -> Hold:
        """Holds the most that an attempt can use under all rules, or under none.

        Raises BUDGET_EXCEEDED (RESOURCE_EXHAUSTED, with budget, what is left and when it renews), or UNAVAILABLE.
        """
        ...

    async def settle(self, hold: Hold, spent: Amount) -> bool:
        """Turns a hold into what was spent. False: the hold had run out and the amount fits no more."""
        ...

    async def release(self, hold: Hold) -> None:
        """Gives a hold back: nothing was spent. A hold that ran out is no error."""
        ...

    async def states(self, rules: Sequence[BudgetRule], tenant: str) -> Sequence[BudgetState]:
        """Each rule's subjects in their current windows, in the order of rule and subject."""
        ...


class Spending(Protocol):
    """The ledger's sums, from which budgets are rebuilt."""

    async def spent(self, rule: BudgetRule, tenant: str, subject: str, since: datetime | None) -> Amount:
        """What calls that count under a rule have used; `subject` is the value of its `per`, empty without one."""
        ...


class AnswerStore(Protocol):
    """Answers kept for exactly equal calls, and who of all routers asks. A cache is no gate: nothing is raised."""

    async def begin(self, key: CacheKey, token: str) -> Begun:
        """The kept value, or whether this caller (`token`) asks the model for all routers, for one lease."""
        ...

    async def renew(self, key: CacheKey, token: str) -> None:
        """Begins the lease anew, if the token still holds it."""
        ...

    async def end(self, key: CacheKey, token: str, value: bytes | None, ttl: float) -> None:
        """Keeps a value for `ttl` seconds unless it is None, gives the lease up, and wakes those who wait."""
        ...

    async def wait(self, key: CacheKey) -> None:
        """Returns when the one who asks may be done, after a bounded time in any case."""
        ...

    async def forget(self, key: CacheKey) -> None:
        """Removes a value that nobody can read."""
        ...


class SemanticStore(Protocol):
    """Answers kept for similar questions, with what was learnt about each. Nothing is raised: without it, None."""

    async def nearest(self, key: CacheKey, vector: Vector) -> Neighbour | None:
        """The kept answer whose question is nearest, of those under exactly this key."""
        ...

    async def add(self, key: CacheKey, vector: Vector, value: bytes, ttl: float) -> None:
        """Keeps an answer for `ttl` seconds."""
        ...

    async def observe(self, key: CacheKey, entry_id: str, step: int, *, right: bool) -> None:
        """Counts whether a kept answer would have been right at a step of similarity."""
        ...


class Embedder(Protocol):
    """Turns questions into vectors by an embedding route, under the caller's own context and budgets."""

    async def embed(self, context: CallContext, route: str, text: str) -> Embedding:
        """The vector of a text, of length 1. Raises AmasError."""
        ...
