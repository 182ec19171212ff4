"""Turns what HTTP and its clients can do wrong into the two failures that the use cases know.

A message never holds a provider's body, a header's secret or a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError

# A provider that asks for more patience than this is as good as away, in seconds.
MAX_RETRY_AFTER = 3600.0
# Longest message of an error that came in another form than OpenAI's (characters).
MAX_MESSAGE = 1000
# Everything that a connection or HTTP itself can fail with. ValueError: aiohttp's words for addresses that are none.
TRANSPORT_ERRORS = (OSError, aiohttp.ClientError, ValueError)
# About our account and not the caller's mistake: no key, no money, no right. The body may quote a part of the key.
_OUR_ACCOUNT = frozenset({401, 402, 403})
# Said by a provider that has no room to begin: 503, and 529 in Anthropic's words, 498 in Groq's.
_NO_ROOM = frozenset({498, 503, 529})
# Bedrock's word for a model that failed.
_MODEL_FAILED = 424
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")


def transport_failure(error: Exception) -> AttemptError:
    """The failure that one of TRANSPORT_ERRORS stands for."""
    name = type(error).__name__
    # A connection that was never made carried no request; this covers refusal, DNS, TLS and its own time-out.
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return AttemptError(FailureReason.CONNECT_FAILED, name)
    if isinstance(error, aiohttp.InvalidURL):
        return AttemptError(FailureReason.CONNECT_FAILED, name)
    if isinstance(error, TimeoutError):
        return AttemptError(FailureReason.TIMEOUT, "no answer in time")
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return AttemptError(FailureReason.CONNECTION_LOST, name)
    return AttemptError(FailureReason.RESPONSE_INVALID, name)


def shown_cause(error: Exception) -> Exception | None:
    """The cause to chain: not one that carries the request, whose headers hold the key."""
    return None if isinstance(error, aiohttp.ClientResponseError) else error


def expect(headers: Mapping[str, str], content_type: str) -> None:
    """Raises AttemptError for an answer of another type, or a compressed one: nobody asked for either."""
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise AttemptError(FailureReason.RESPONSE_INVALID, f"content type {given[:80]}")
    if headers.get("content-encoding", "identity") != "identity":
        raise AttemptError(FailureReason.RESPONSE_INVALID, "a compressed answer")


def failed_status(
    status: int, headers: Mapping[str, str], body: bytes, key: str | None
) -> AttemptError | RejectedError:
    """The failure that a status other than 200 stands for."""
    detail = _detail(status, headers)
    if status == 429:
        return AttemptError(FailureReason.RATE_LIMITED, detail, retry_after=retry_after(headers))
    if status == 408:
        return AttemptError(FailureReason.TIMEOUT, detail)
    if status in _OUR_ACCOUNT:
        return AttemptError(FailureReason.KEY_REFUSED, detail)
    if status >= 500 or status in _NO_ROOM or status == _MODEL_FAILED:
        began = status not in _NO_ROOM
        return AttemptError(
            FailureReason.SERVER_ERROR, detail, retry_after=retry_after(headers), processed=began, status=status
        )
    if 400 <= status < 500:
        error = _error_object(body)
        if _names_our_key(error):
            return AttemptError(FailureReason.KEY_REFUSED, detail)
        shown = orjson.dumps(error).decode() if error else ""
        return RejectedError(status, "" if key and key in shown else shown)
    return AttemptError(FailureReason.RESPONSE_INVALID, detail)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks to wait (RFC 9110 section 10.2.3, and OpenAI's milliseconds); none sends dates."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None and value.strip().replace(".", "", 1).isdecimal():
            return min(float(value) * unit, MAX_RETRY_AFTER)
    return None


def openai_error(message: str, kind: str = "invalid_request_error", param: str | None = None) -> dict[str, Any]:
    """An error object as OpenAI's clients know it."""
    return {"message": message[:MAX_MESSAGE], "type": kind, "param": param, "code": None}


def _detail(status: int, headers: Mapping[str, str]) -> str:
    """The status, with the provider's name for the request, which its support asks for."""
    for name in _REQUEST_IDS:
        value = headers.get(name)
        if value and len(value) <= 128 and value.isascii() and value.isprintable():
            return f"status {status}, request {value}"
    return f"status {status}"


def _error_object(body: bytes) -> dict[str, Any] | None:
    """OpenAI's error object, made from another form where the provider has one of its own; None for no error at all."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # Gemini's compatible endpoint wraps its errors in a list.
    if isinstance(fields, list) and fields:
        fields = fields[0]
    if not isinstance(fields, dict):
        return None
    error = fields.get("error")
    if isinstance(error, dict):
        return error
    # A bare text (Ollama), the fields at the top (vLLM, Mistral) or FastAPI's `detail`.
    message = error or fields.get("message") or fields.get("detail")
    if not message:
        return None
    text = message if isinstance(message, str) else orjson.dumps(message).decode()
    kind = fields.get("type")
    return openai_error(text, kind if isinstance(kind, str) else "invalid_request_error")


def _names_our_key(error: dict[str, Any] | None) -> bool:
    """Gemini answers 400 to a wrong key."""
    details = error.get("details") if error else None
    return isinstance(details, list) and any(
        isinstance(detail, dict) and detail.get("reason") == "API_KEY_INVALID" for detail in details
    )
