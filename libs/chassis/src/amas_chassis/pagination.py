"""Page tokens: opaque to clients, readable by the service that wrote them.

They are not signed: whoever decodes one must apply tenant and access checks to the query as if the token were any
other input. They must never carry a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from .errors import AmasError, ErrorKind, FieldViolation

__all__ = ["decode_token", "encode_token"]

# A cursor is a handful of keys; anything longer was not written by us (characters).
MAX_TOKEN_LENGTH = 4096


def encode_token(cursor: Mapping[str, Any]) -> str:
    """The page token (base64url without padding) that stands for `cursor`, a JSON object."""
    text = json.dumps(dict(cursor), separators=(",", ":"), sort_keys=True, allow_nan=False)
    token = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    if len(token) > MAX_TOKEN_LENGTH:
        raise ValueError(f"the cursor needs {len(token)} characters, more than {MAX_TOKEN_LENGTH}")
    return token


def decode_token(token: str) -> dict[str, Any]:
    """The cursor in `token`, or {} for the first page (empty token).

    Raises AmasError INVALID_ARGUMENT, reason PAGE_TOKEN_INVALID, for what `encode_token` could not have written.
    """
    if not token:
        return {}
    if len(token) > MAX_TOKEN_LENGTH:
        raise _invalid("is too long")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        cursor = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _invalid("is not one that this service gave out") from error
    if not isinstance(cursor, dict):
        raise _invalid("is not one that this service gave out")
    return cursor


def _invalid(problem: str) -> AmasError:
    return AmasError(
        ErrorKind.INVALID_ARGUMENT,
        "PAGE_TOKEN_INVALID",
        f"the page token {problem}",
        violations=[FieldViolation("page_token", problem)],
    )
