"""What one call takes from the quotas, what must not be revoked for it, and what the store may answer."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from amas_governance.revocations import Revocable

from .contract import CallLimit, Grant
from .model import ActionContext
from .revocations import approvers_of, needs_of

# Seconds that a call's place in the concurrency bound outlives its time-out, should nobody give it back.
LEASE_MARGIN = 10.0


@dataclass(frozen=True)
class QuotaClaim:
    """One call. The same `key` again takes nothing more, so a retry is not counted twice.

    `needs` is what must not be revoked at that moment; of the `approvers`, whose approval is used for it, nobody.
    """

    tenant: str
    run_id: str
    tool: str
    server: str
    key: str
    call_limits: tuple[CallLimit, ...]
    rate_count: int | None
    rate_per: float
    concurrency: int
    lease: float
    needs: tuple[Revocable, ...] = ()
    approvers: tuple[Revocable, ...] = ()


class QuotaAnswer(enum.Enum):
    """What the store said."""

    GRANTED = "granted"
    CALLS_EXCEEDED = "calls_exceeded"
    RATE_EXCEEDED = "rate_exceeded"
    BUSY = "busy"
    REVOKED = "revoked"


@dataclass(frozen=True)
class QuotaVerdict:
    """The answer; `retry_after` in seconds for the two that pass with time, `revoked` for what somebody revoked."""

    answer: QuotaAnswer
    retry_after: float = 0.0
    revoked: Revocable | None = None


def claim_for(
    context: ActionContext, grant: Grant, key: str, *, repeats: bool, approvers: Sequence[str] = ()
) -> QuotaClaim:
    """The claim of one call; an approved repetition of an unknown outcome is the same call, and takes none again."""
    limits = grant.server.spec.limits
    return QuotaClaim(
        tenant=context.principal.tenant,
        run_id=context.run_id,
        tool=grant.tool,
        server=grant.server.metadata.name,
        key=key,
        call_limits=() if repeats else grant.call_limits,
        rate_count=None if limits.rate is None else limits.rate.count,
        rate_per=0.0 if limits.rate is None else limits.rate.per,
        concurrency=limits.concurrency,
        lease=limits.timeout + LEASE_MARGIN,
        needs=needs_of(context, grant.tool),
        approvers=approvers_of(context, approvers),
    )
