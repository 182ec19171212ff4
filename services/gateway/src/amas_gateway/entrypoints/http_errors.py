"""Errors as HTTP says them: status, headers, and the body as problem+json (RFC 9457).

Only an AmasError's own words go out. Whatever else was raised becomes one sentence without detail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

import orjson
from amas_chassis import telemetry
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation

from amas_gateway.domain.errors import RepeatUnsafeError
from amas_gateway.domain.limits import Rate, Taken

Header = tuple[bytes, bytes]

_STATUS = {
    ErrorKind.INVALID_ARGUMENT: 400,
    ErrorKind.OUT_OF_RANGE: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.PERMISSION_DENIED: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.ALREADY_EXISTS: 409,
    ErrorKind.ABORTED: 409,
    ErrorKind.FAILED_PRECONDITION: 409,
    ErrorKind.RESOURCE_EXHAUSTED: 429,
    ErrorKind.CANCELLED: 499,
    ErrorKind.INTERNAL: 500,
    ErrorKind.UNIMPLEMENTED: 501,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.DEADLINE_EXCEEDED: 504,
}
# The ai-router's reason for a budget that is spent, told as 402 (RFC 9110 section 15.5.3).
BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
# A provider's key that is missing or refused is no fault of the client's, nor one that asking again mends.
_STATUS_BY_REASON = {BUDGET_EXCEEDED: 402, "MODEL_KEY_MISSING": 502, "MODEL_KEY_REFUSED": 502}
# A budget that renews later than this is not worth waiting for, so that `retry-after` does not name it (seconds).
MAX_BUDGET_WAIT_SECONDS = 86_400.0
# What the router tells of a spent budget, and the header that says it.
_BUDGET_HEADERS = (
    ("budget", b"x-amas-budget"),
    ("window", b"x-amas-budget-window"),
    ("remaining_cost", b"x-amas-budget-remaining-cost"),
    ("currency", b"x-amas-budget-currency"),
    ("remaining_tokens", b"x-amas-budget-remaining-tokens"),
    ("renews_at", b"x-amas-budget-renews-at"),
)


class HttpError(AmasError):
    """An error of HTTP itself, with its own status."""

    def __init__(self, status: int, reason: str, message: str, violations: Iterable[FieldViolation] = ()) -> None:
        super().__init__(ErrorKind.INVALID_ARGUMENT, reason, message, violations=tuple(violations))
        self.status = status


def internal() -> AmasError:
    """What a client learns of a fault of ours."""
    return AmasError(ErrorKind.INTERNAL, "INTERNAL", "The gateway could not answer. The trace id finds it in our logs.")


def status_of(error: AmasError) -> int:
    """The HTTP status of an error."""
    by_reason = _STATUS_BY_REASON.get(error.reason)
    if by_reason is not None:
        return by_reason
    return error.status if isinstance(error, HttpError) else _STATUS[error.kind]


def headers_of(error: AmasError) -> list[Header]:
    """Headers that belong to the error: the challenge of a 401, and when to come back."""
    headers: list[Header] = []
    if error.kind is ErrorKind.UNAUTHENTICATED:
        challenge = 'Bearer realm="amas"'
        if error.reason != "TOKEN_MISSING":
            challenge += f', error="invalid_token", error_description="{error.reason}"'
        headers.append((b"www-authenticate", challenge.encode()))
    if error.reason == BUDGET_EXCEEDED:
        headers += [(name, token(error.metadata[key])) for key, name in _BUDGET_HEADERS if error.metadata.get(key)]
    wait = _retry_after(error)
    if wait is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(wait))).encode()))
    if isinstance(error, RepeatUnsafeError):
        # The official SDKs obey it before they look at the status.
        headers.append((b"x-should-retry", b"false"))
    return headers


def budget_left(error: AmasError) -> str:
    """One sentence on what a spent budget still holds and when it is whole again; empty for other errors."""
    if error.reason != BUDGET_EXCEEDED:
        return ""
    told = error.metadata
    left = [f"{told['remaining_cost']} {told.get('currency', '')}".strip()] if told.get("remaining_cost") else []
    left += [f"{told['remaining_tokens']} tokens"] if told.get("remaining_tokens") else []
    words = f" Left: {' and '.join(left)}; the call may need more." if left else ""
    return words + (f" The budget renews at {told['renews_at']}." if told.get("renews_at") else "")


def token(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII becomes `?`, so that no name can add a header."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(char if " " <= char <= "~" else "?" for char in text).encode()


def _retry_after(error: AmasError) -> float | None:
    if error.retry_after is not None or error.reason != BUDGET_EXCEEDED:
        return error.retry_after
    try:
        wait = (datetime.fromisoformat(error.metadata.get("renews_at", "")) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return wait if wait <= MAX_BUDGET_WAIT_SECONDS else None


def problem(error: AmasError, instance: str, **extensions: object) -> bytes:
    """An RFC 9457 problem document."""
    document: dict[str, object] = {
        "type": f"urn:amas:problem:{error.reason.lower().replace('_', '-')}",
        "title": error.reason.replace("_", " ").capitalize(),
        "status": status_of(error),
        "detail": error.message,
        "instance": instance,
        "reason": error.reason,
        "traceId": telemetry.current_trace_id(),
        "violations": [{"field": v.field, "description": v.description} for v in error.violations],
        **extensions,
    }
    return orjson.dumps(document)


def limit_headers(taken: Taken) -> list[Header]:
    """What is left, as draft-ietf-httpapi-ratelimit-headers-10 writes it."""
    policies = b", ".join([_policy(quota.scope, quota.rate) for quota in taken.quotas])
    tightest = taken.tightest
    left = f'"{tightest.scope}";r={tightest.remaining};t={math.ceil(tightest.reset)}'
    return [(b"ratelimit-policy", policies), (b"ratelimit", left.encode())]


# One entry for each rate of the settings: a handful.
@lru_cache(maxsize=64)
def _policy(scope: str, rate: Rate) -> bytes:
    window = max(1, rate.burst * rate.interval_us // 1_000_000)
    return f'"{scope}";q={rate.burst};w={window}'.encode()
