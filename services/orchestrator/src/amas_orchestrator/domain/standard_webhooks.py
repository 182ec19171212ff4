"""Signatures of webhooks as Standard Webhooks has them: HMAC-SHA256 over id, time and body, one for each secret.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
SHORTEST_SECRET = 24
LONGEST_SECRET = 64
"""Bytes of a secret, as the specification bounds them."""


def parse_secret(text: str) -> bytes:
    """The key of a secret `whsec_<base64>`; raises ValueError that says what is wrong and repeats nothing of it."""
    stripped = text.strip()
    if not stripped.startswith(PREFIX):
        raise ValueError(f"a webhook secret begins with {PREFIX}")
    try:
        key = base64.b64decode(stripped.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a webhook secret is base64 after {PREFIX}") from error
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise ValueError(f"a webhook secret has {SHORTEST_SECRET} to {LONGEST_SECRET} bytes, not {len(key)}")
    return key


def headers(keys: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message; while a secret is rotated it is signed with the old and the new one."""
    seconds = str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
