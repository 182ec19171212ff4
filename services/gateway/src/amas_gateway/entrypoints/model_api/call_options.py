"""What a client says of its call in headers: the idempotency key, how long it waits, and whether a cache may answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from amas_gateway.domain.errors import invalid

MAX_IDEMPOTENCY_KEY = 200
# Under these names the official SDKs tell how long they wait for the next byte (seconds). A whole answer comes at once,
# so there it bounds the call; a stream may last longer, and a client that leaves it is noticed anyway.
_SDK_TIMEOUTS = (b"x-stainless-timeout", b"x-stainless-read-timeout")


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Times are in seconds, None where the client said nothing."""

    idempotency_key: str = ""
    no_cache: bool = False
    timeout: float | None = None
    sdk_timeout: float | None = None

    def deadline(self, *, streams: bool) -> float | None:
        """Seconds after which nobody waits for the call any more."""
        if self.timeout is not None or streams:
            return self.timeout
        return self.sdk_timeout


def call_options(headers: dict[bytes, bytes]) -> CallOptions:
    """Reads the headers, whose names are in lower case. Raises INVALID_ARGUMENT."""
    key = headers.get(b"idempotency-key", b"").decode("latin-1")
    if len(key) > MAX_IDEMPOTENCY_KEY:
        raise invalid("Idempotency-Key", f"must have at most {MAX_IDEMPOTENCY_KEY} characters")
    asked = headers.get(b"x-request-timeout")
    timeout = _seconds(asked)
    if asked is not None and timeout is None:
        raise invalid("X-Request-Timeout", "must be a number of seconds above 0")
    told = next((headers[name] for name in _SDK_TIMEOUTS if name in headers), None)
    # RFC 9111 section 5.2.1.4.
    no_cache = b"no-cache" in headers.get(b"cache-control", b"").lower()
    return CallOptions(key, no_cache, timeout, _seconds(told))


def _seconds(value: bytes | None) -> float | None:
    try:
        seconds = float(value) if value is not None else 0.0
    except ValueError:
        return None
    return seconds if seconds > 0 and math.isfinite(seconds) else None
