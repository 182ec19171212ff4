"""Identifiers: sortable ones for runs, and derived ones for all that happens inside a run.

What happens inside a run is named after its place, so that doing it again after a crash names it the same.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

# Crockford's base 32, as ULIDs use it (https://github.com/ulid/spec), in lower case.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS = 10
_RANDOM_DIGITS = 16
MAX_KEY = 200
"""Characters of the longest idempotency key that policy-sidecar and ai-router take."""


def new_run_id(now: datetime) -> str:
    """`run-` and a ULID in lower case: sorts by time, cannot be guessed (80 random bits)."""
    return f"run-{_base32(int(now.timestamp() * 1000), _TIME_DIGITS)}{_base32(secrets.randbits(80), _RANDOM_DIGITS)}"


def place_key(run_id: str, *parts: str | int) -> str:
    """The idempotency key of a place in a run: `<run>/<step path>/<turn>/<index>`; a long one is cut and hashed."""
    key = "/".join([run_id, *(str(part) for part in parts)])
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: MAX_KEY - len(digest) - 1]}~{digest}"


def approval_id(run_id: str, *parts: str | int) -> str:
    """The id of the approval that is asked for at a place: the same after a crash, not to be guessed from outside."""
    digest = hashlib.sha256("\x00".join([run_id, *(str(part) for part in parts)]).encode()).digest()
    return f"apr-{_base32(int.from_bytes(digest[:16], 'big') >> 3, 25)}"


def _base32(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, rest = divmod(number, 32)
        text = _ALPHABET[rest] + text
    return text
