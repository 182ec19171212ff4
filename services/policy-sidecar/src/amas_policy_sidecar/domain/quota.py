"""What one call takes from the bounds that it counts under, what must not be revoked, and what the store may say.

All bounds are of one kind, wherever they are declared: the calls of a grant in a run, a tool server's rate and places,
the Quota resources. As in contracts, directions are the agent's: arguments go out, answers come in.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from amas_governance.canonical import canonical_json, digest
from amas_governance.quantities import Rate
from amas_governance.resources import Quota
from amas_governance.resources.quota import MIN_BYTES_IN
from amas_governance.revocations import Revocable

from .case import Case
from .contract import Grant
from .model import ActionContext
from .results import most_bytes
from .revocations import approvers_of, needs_of

# Seconds that a claim outlives the longest call, should nobody settle it: for the record before and after the call.
LEASE_MARGIN = 30.0
# Names of bounds kept in memory.
_MAX_NAMES = 4096
_WINDOWS = {"run": 0.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}


class Declared(enum.StrEnum):
    """Where a bound is declared."""

    CONTRACT = "contract"
    SERVER = "server"
    QUOTA = "quota"


class Amount(enum.StrEnum):
    """What of a bound is meant."""

    CALLS = "calls"
    BYTES_OUT = "bytesOut"
    BYTES_IN = "bytesIn"
    WALL_CLOCK = "wallClock"
    RATE = "rate"
    CONCURRENCY = "concurrency"


@dataclass(frozen=True)
class QuotaBound:
    """One bound as it holds for one call; None is without. `wall_clock` and `window` (0: it never renews) in seconds.

    `id` says what is counted, not how much is allowed: under a changed bound counting goes on.
    """

    declared: Declared
    name: str
    id: str
    window: float = 0.0
    calls: int | None = None
    bytes_out: int | None = None
    bytes_in: int | None = None
    wall_clock: float | None = None
    rate: Rate | None = None
    concurrency: int | None = None
    whole: bool = False
    """Whether all calls that it is about have one counter."""

    def limit(self, amount: Amount) -> float | None:
        """How much of one amount is allowed; calls in a window for a rate."""
        return {
            Amount.CALLS: self.calls,
            Amount.BYTES_OUT: self.bytes_out,
            Amount.BYTES_IN: self.bytes_in,
            Amount.WALL_CLOCK: self.wall_clock,
            Amount.RATE: None if self.rate is None else self.rate.count,
            Amount.CONCURRENCY: self.concurrency,
        }[amount]


@dataclass(frozen=True)
class QuotaClaim:
    """One call. The same `key` again counts nothing more, so a retry is not counted twice.

    `attempt` tells two claims with one key apart: only the newest is settled. Until it is settled, or `lease` seconds
    have passed, it holds a place, `most_bytes_in` (or what is left of them) and `most_seconds`.
    `needs` is what must not be revoked at that moment; of the `approvers`, whose approval is used for it, nobody.
    """

    tenant: str
    tool: str
    server: str
    key: str
    bounds: tuple[QuotaBound, ...]
    places: int
    """Calls that the server takes at once."""
    bytes_out: int
    most_bytes_in: int
    most_seconds: float
    lease: float
    attempt: str
    needs: tuple[Revocable, ...] = ()
    approvers: tuple[Revocable, ...] = ()

    @property
    def least_bytes_in(self) -> int:
        """Less than this of an answer is not worth a call."""
        return min(self.most_bytes_in, MIN_BYTES_IN)


class QuotaAnswer(enum.Enum):
    """What the store said."""

    GRANTED = "granted"
    EXCEEDED = "exceeded"
    RATE_EXCEEDED = "rate_exceeded"
    BUSY = "busy"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Refusal:
    """The bound that refused: what of it, how much is left (bytes, seconds or calls), when it renews (None: never)."""

    bound: QuotaBound
    amount: Amount
    left: float
    renews_at: datetime | None = None


@dataclass(frozen=True)
class QuotaVerdict:
    """The answer; `retry_after` in seconds for what passes with time (None: it never does).

    `bytes_in` is how long the answer may be if it is granted, `shares` how much of each bound is used then (0 to 1);
    `refusal` says why if not, `revoked` what somebody revoked.
    """

    answer: QuotaAnswer
    retry_after: float | None = 0.0
    refusal: Refusal | None = None
    revoked: Revocable | None = None
    bytes_in: int = 0
    shares: tuple[float, ...] = ()


@dataclass
class Used:
    """What a call has used that was not known before it; nothing if it was not made. Time in seconds."""

    bytes_in: int = 0
    seconds: float = 0.0


def claim_for(case: Case, key: str, *, repeats: bool, approvers: Sequence[str] = ()) -> QuotaClaim:
    """The claim of one call; an approved repetition of an unknown outcome takes none again of the contract's calls."""
    context, grant = case.context, case.grant
    limits = grant.server.spec.limits
    return QuotaClaim(
        tenant=context.principal.tenant,
        tool=grant.tool,
        server=grant.server.metadata.name,
        key=key,
        bounds=(
            *(() if repeats else _of_contract(context, grant)),
            _of_server(grant),
            *_of_quotas(context, grant),
        ),
        places=limits.concurrency,
        bytes_out=len(canonical_json(case.sent_arguments)),
        most_bytes_in=most_bytes(limits.response_size),
        most_seconds=limits.longest_call,
        lease=limits.longest_call + LEASE_MARGIN,
        attempt=secrets.token_hex(8),
        needs=needs_of(context, grant.tool),
        approvers=approvers_of(context, approvers),
    )


def _of_contract(context: ActionContext, grant: Grant) -> Iterator[QuotaBound]:
    for limit in grant.call_limits:
        if limit.calls is not None:
            name = _id("contract", context.run_id, limit.role, grant.tool)
            yield QuotaBound(Declared.CONTRACT, limit.role, name, calls=limit.calls)


def _of_server(grant: Grant) -> QuotaBound:
    server, limits = grant.server.metadata.name, grant.server.spec.limits
    bound_id = _id("server", server)
    return QuotaBound(Declared.SERVER, server, bound_id, rate=limits.rate, concurrency=limits.concurrency)


def _of_quotas(context: ActionContext, grant: Grant) -> Iterator[QuotaBound]:
    roles = (*context.delegated_by, context.role)
    for quota in grant.quotas:
        if quota.covers(context.principal.tenant, roles, grant.tool):
            for counted in _counted(quota, context, roles, grant.tool):
                yield _bound(quota, counted)


def _counted(quota: Quota, context: ActionContext, roles: Sequence[str], tool: str) -> Iterator[tuple[str, ...]]:
    """What has counters of its own under the quota: with `per: role` each role of the chain that it is about."""
    spec = quota.spec
    run = (context.run_id,) if spec.window == "run" or spec.per == "run" else ()
    if spec.per == "role":
        yield from ((*run, role) for role in roles if spec.subject.role in (None, role))
    else:
        yield (*run, tool) if spec.per == "tool" else run


def _bound(quota: Quota, counted: tuple[str, ...]) -> QuotaBound:
    spec, subject = quota.spec, quota.spec.subject
    who = (subject.tenant or "", subject.role or "", subject.server or "", subject.tool or "")
    return QuotaBound(
        Declared.QUOTA,
        quota.metadata.name,
        _id("quota", quota.metadata.name, *who, spec.per or "", spec.window or "", *counted),
        window=_WINDOWS[spec.window or "run"],
        calls=spec.calls,
        bytes_out=spec.bytes_out,
        bytes_in=spec.bytes_in,
        wall_clock=spec.wall_clock,
        rate=spec.rate,
        concurrency=spec.concurrency,
        whole=not counted,
    )


@functools.lru_cache(_MAX_NAMES)
def _id(*parts: str) -> str:
    """A digest, since ids come from callers and must not be able to form another's key."""
    return digest(parts).removeprefix("sha256:")[:32]


def claim_id(key: str) -> str:
    """Names the claims of an idempotency key in the store; unlike the key it is of bounded length."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
