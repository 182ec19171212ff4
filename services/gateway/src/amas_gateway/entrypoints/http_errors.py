"""Errors as HTTP says them: status, headers, and the body as problem+json (RFC 9457) or as OpenAI's clients expect it.

Only an AmasError's own words go out. Whatever else was raised becomes one sentence without detail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import orjson
from amas_chassis import telemetry
from amas_chassis.errors import AmasError, ErrorKind, FieldViolation

from amas_gateway.domain.limits import Taken

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
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}

# The ai-router's reason for a request that a provider refused, with the provider's words in the details.
_PROVIDER_REJECTED = "PROVIDER_REJECTED"
# Statuses that speak of the caller's request; any other would speak of our account with the provider.
_PROVIDER_STATUSES = frozenset({"400", "404", "409", "413", "415", "422"})


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
    return error.status if isinstance(error, HttpError) else _STATUS[error.kind]


def headers_of(error: AmasError) -> list[Header]:
    """Headers that belong to the error: the challenge of a 401, and when to come back."""
    headers: list[Header] = []
    if error.kind is ErrorKind.UNAUTHENTICATED:
        challenge = 'Bearer realm="amas"'
        if error.reason != "TOKEN_MISSING":
            challenge += f', error="invalid_token", error_description="{error.reason}"'
        headers.append((b"www-authenticate", challenge.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after))).encode()))
    return headers


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


def openai_status(error: AmasError) -> int:
    """The status that OpenAI's clients expect: the provider's own where it refused what the caller sent."""
    told = error.metadata.get("provider_status", "") if error.reason == _PROVIDER_REJECTED else ""
    return int(told) if told in _PROVIDER_STATUSES else status_of(error)


def openai_error(error: AmasError) -> bytes:
    """The error body that OpenAI's clients read: the provider's own where it refused what the caller sent."""
    refused = _provider_error(error)
    if refused is not None:
        return orjson.dumps({"error": refused})
    status = openai_status(error)
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    if error.reason.startswith("BUDGET_"):
        kind = "insufficient_quota"
    field = error.violations[0].field if error.violations else None
    message = error.message
    if error.violations:
        message += " " + "; ".join(f"{v.field}: {v.description}" for v in error.violations)
    return orjson.dumps({"error": {"message": message, "type": kind, "param": field, "code": error.reason.lower()}})


def _provider_error(error: AmasError) -> dict[str, object] | None:
    if error.reason != _PROVIDER_REJECTED:
        return None
    try:
        found = orjson.loads(error.metadata.get("provider_error", ""))
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("message"), str) else None


def limit_headers(taken: Taken) -> list[Header]:
    """What is left, as draft-ietf-httpapi-ratelimit-headers-10 writes it."""
    policies = ", ".join(
        f'"{quota.scope}";q={quota.rate.burst};w={max(1, quota.rate.burst * quota.rate.interval_us // 1_000_000)}'
        for quota in taken.quotas
    )
    tightest = taken.tightest
    left = f'"{tightest.scope}";r={tightest.remaining};t={math.ceil(tightest.reset)}'
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]
