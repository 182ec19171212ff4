"""Turns what aiohttp and HTTP can do wrong into the two failures that the use cases know.

A message never holds a provider's body, a header or a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import orjson

from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError

# A provider that asks for more patience than this is as good as away, in seconds.
MAX_RETRY_AFTER = 3600.0


@contextmanager
def wrapped() -> Iterator[None]:
    """Raises AttemptError for every failure of the connection or of HTTP itself."""
    try:
        yield
    except TimeoutError as error:
        raise AttemptError(FailureReason.TIMEOUT, "no answer in time") from error
    except aiohttp.ClientConnectorError as error:
        raise AttemptError(FailureReason.CONNECT_FAILED, type(error).__name__) from error
    except (aiohttp.ServerConnectionError, aiohttp.ClientOSError, aiohttp.ClientPayloadError) as error:
        raise AttemptError(FailureReason.CONNECTION_LOST, type(error).__name__) from error
    except (aiohttp.ClientError, ValueError) as error:
        # ValueError: aiohttp's words for addresses and headers that are none.
        raise AttemptError(FailureReason.RESPONSE_INVALID, type(error).__name__) from error


def failed_status(status: int, retry_after: str | None, body: bytes) -> AttemptError | RejectedError:
    """The failure that a status other than 200 stands for."""
    if status == 429:
        return AttemptError(FailureReason.RATE_LIMITED, "status 429", retry_after=_seconds(retry_after))
    if status == 408:
        return AttemptError(FailureReason.TIMEOUT, "status 408")
    if status in (401, 403):
        # Our key, not the caller's mistake; and the body may quote a part of the key.
        return AttemptError(FailureReason.KEY_REFUSED, f"status {status}")
    if 400 <= status < 500:
        return RejectedError(status, _error_object(body))
    if status >= 500:
        # 503 (and 529, Anthropic's word for it) is said by a provider that has no room to begin.
        return AttemptError(
            FailureReason.SERVER_ERROR,
            f"status {status}",
            retry_after=_seconds(retry_after),
            processed=status not in (503, 529),
        )
    return AttemptError(FailureReason.RESPONSE_INVALID, f"status {status}")


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3); its form as a date is not used by providers."""
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    return min(float(retry_after), MAX_RETRY_AFTER)


def _error_object(body: bytes) -> str:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    error = fields.get("error") if isinstance(fields, dict) else None
    return orjson.dumps(error).decode() if isinstance(error, dict) else ""
