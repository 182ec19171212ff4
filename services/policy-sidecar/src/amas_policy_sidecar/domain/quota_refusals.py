"""What is said when a bound refuses a call: which one, what is left of it, when it renews. Nothing of another tenant.

A bound that renews soon, or is held by calls under way, is an error that the caller waits out; any other is a denial.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_chassis.errors import AmasError, ErrorKind, QuotaViolation
from amas_governance.quantities import format_duration, format_size

from .errors import Denied
from .quota import Amount, Declared, QuotaAnswer, QuotaClaim, QuotaVerdict, Refusal

QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
# Seconds: what renews within them is waited for by the caller; a later renewal is the agent's to know.
SOON = 60.0

_SIZES = frozenset({Amount.BYTES_IN, Amount.BYTES_OUT})
_WORDS = {
    Amount.CALLS: "calls",
    Amount.BYTES_OUT: "bytes of arguments",
    Amount.BYTES_IN: "bytes of answers",
    Amount.WALL_CLOCK: "time in tool calls",
}
_LATER = {
    (QuotaAnswer.RATE_EXCEEDED, True): "TOOL_RATE_LIMITED",
    (QuotaAnswer.BUSY, True): "TOOL_BUSY",
    (QuotaAnswer.RATE_EXCEEDED, False): "QUOTA_RATE_LIMITED",
    (QuotaAnswer.BUSY, False): "QUOTA_BUSY",
    (QuotaAnswer.EXCEEDED, False): QUOTA_EXCEEDED,
}


def passes_soon(verdict: QuotaVerdict) -> bool:
    """Whether waiting helps."""
    if verdict.answer is not QuotaAnswer.EXCEEDED:
        return True
    return verdict.retry_after is not None and verdict.retry_after <= SOON


def exceeded(claim: QuotaClaim, verdict: QuotaVerdict) -> Denied:
    """The denial of a call for which too little is left, and will be for long or for ever."""
    return Denied(QUOTA_EXCEEDED, _words(claim, verdict, _refusal(verdict)))


def later(claim: QuotaClaim, verdict: QuotaVerdict) -> AmasError:
    """The error of a call that may be made in a moment; google.rpc.QuotaFailure and RetryInfo on the wire."""
    refusal = _refusal(verdict)
    bound = refusal.bound
    of_server = bound.declared is Declared.SERVER
    text = _words(claim, verdict, refusal)
    return AmasError(
        ErrorKind.RESOURCE_EXHAUSTED,
        _LATER[verdict.answer, of_server],
        text,
        metadata={name: str(value) for name, value in refusal_data(refusal).items()},
        quota=[QuotaViolation(f"{bound.declared}:{bound.name}", text)],
        retry_after=verdict.retry_after,
    )


def refusal_data(refusal: Refusal) -> Mapping[str, Any]:
    """The same for machines: bytes, seconds or calls; RFC 3339, empty where it never renews or holds at any moment."""
    limit = refusal.bound.limit(refusal.amount)
    return {
        "declaredBy": refusal.bound.declared.value,
        "quota": refusal.bound.name,
        "amount": refusal.amount.value,
        "limit": _number(limit or 0),
        "remaining": _number(refusal.left),
        "renewsAt": _renewal(refusal),
    }


def _words(claim: QuotaClaim, verdict: QuotaVerdict, refusal: Refusal) -> str:
    bound, amount = refusal.bound, refusal.amount
    if bound.declared is Declared.CONTRACT:
        return f"the run has used up its calls of {claim.tool}: {bound.calls} in the contract of {bound.name}"
    whose = bound.name if bound.declared is Declared.SERVER else f"the quota {bound.name}"
    if amount is Amount.CONCURRENCY:
        return f"all places of {whose} are taken: {bound.concurrency}"
    if amount is Amount.RATE:
        return f"the rate of {whose} is used up: {bound.rate}"
    left = f"{_shown(amount, refusal.left)} of {_shown(amount, bound.limit(amount) or 0)}"
    if verdict.answer is QuotaAnswer.BUSY:
        return f"{whose} has {left} {_WORDS[amount]} left beside what calls under way hold, too little for this call"
    renewal = _renewal(refusal)
    renews = f"it renews at {renewal}" if renewal else "it does not renew within the run"
    return f"{whose} has {left} {_WORDS[amount]} left, too little for this call; {renews}"


def _shown(amount: Amount, number: float) -> str:
    if amount is Amount.WALL_CLOCK:
        return format_duration(number) if number else "0s"
    return format_size(int(number)) if amount in _SIZES else f"{int(number):,}"


def _number(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _renewal(refusal: Refusal) -> str:
    return "" if refusal.renews_at is None else refusal.renews_at.isoformat().replace("+00:00", "Z")


def _refusal(verdict: QuotaVerdict) -> Refusal:
    if verdict.refusal is None:
        raise RuntimeError("the verdict refuses nothing")
    return verdict.refusal
