"""Errors in OpenAI's form: `{"error": {message, type, param, code}}`, with the reason as `code`.

Only an AmasError's own words go out, and a provider's own where it refused what the caller sent.
"""

from __future__ import annotations

import orjson
from amas_chassis.errors import AmasError

from amas_gateway.entrypoints.http_errors import BUDGET_EXCEEDED, budget_left, status_of

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
# The ai-router's reason for a request that a provider refused, with the provider's words in the details.
_PROVIDER_REJECTED = "PROVIDER_REJECTED"
# Statuses that speak of the caller's request; any other would speak of our account with the provider.
_PROVIDER_STATUSES = frozenset({"400", "404", "409", "413", "415", "422"})


def openai_status(error: AmasError) -> int:
    """The status that clients of a model expect: the provider's own where it refused what the caller sent."""
    told = error.metadata.get("provider_status", "") if error.reason == _PROVIDER_REJECTED else ""
    return int(told) if told in _PROVIDER_STATUSES else status_of(error)


def openai_error(error: AmasError) -> bytes:
    """The whole body."""
    return orjson.dumps({"error": error_object(error)})


def error_object(error: AmasError) -> dict[str, object]:
    """The error object: the provider's own where it refused what the caller sent."""
    refused = provider_error(error)
    if refused is not None:
        return refused
    status = openai_status(error)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    # Of all that is spent only a budget of ours is 402, yet clients know every kind of it by this type.
    if error.reason.startswith("BUDGET_"):
        kind = _TYPES[402]
    field = error.violations[0].field if error.violations else None
    return {"message": sentence(error), "type": kind, "param": field, "code": error.reason.lower()}


def sentence(error: AmasError) -> str:
    """The error's message with what its details add for a human."""
    message = error.message
    if error.violations:
        message += " " + "; ".join(f"{v.field}: {v.description}" for v in error.violations)
    if error.reason == BUDGET_EXCEEDED:
        message = message.removesuffix(".") + "." + budget_left(error)
    return message


def provider_error(error: AmasError) -> dict[str, object] | None:
    """The error object with which a provider refused the request; None for every other error."""
    if error.reason != _PROVIDER_REJECTED:
        return None
    try:
        found = orjson.loads(error.metadata.get("provider_error", ""))
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("message"), str) else None
