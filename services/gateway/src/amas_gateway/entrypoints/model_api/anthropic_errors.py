"""Errors in the form of Anthropic's API: `{"type": "error", "error": {type, message}, "request_id"}`.

Source: docs.anthropic.com, API errors. `code` is ours: the stable reason.
"""

from __future__ import annotations

import orjson
from amas_chassis.errors import AmasError

from .openai_errors import openai_status, provider_error, sentence

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


def anthropic_error(error: AmasError, request_id: str) -> bytes:
    """The whole body; it is that of an `error` event, too."""
    return orjson.dumps({"type": "error", "error": error_object(error), "request_id": request_id})


def error_object(error: AmasError) -> dict[str, object]:
    """The inner object; where a provider refused what the caller sent, its message."""
    status = openai_status(error)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    refused = provider_error(error)
    message = sentence(error) if refused is None else refused["message"]
    return {"type": kind, "message": message, "code": error.reason.lower()}
