"""Tokens that stand in for sensitive values within one run: the same value, the same token; only the key undoes it.

Nothing is stored: a token is the value under deterministic authenticated encryption (AES-SIV, RFC 5297) with a key that
is derived for each run (HKDF, RFC 5869). So a token of another run, a forged one or a changed one names nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MIN_SECRET = 32
"""Bytes of the secret that all keys are derived from."""
_KEY_BYTES = 64
_TOKEN = re.compile(r"<([A-Z][A-Z0-9_]{0,23}):([A-Z2-7]{26,})>")


class RunPseudonyms:
    """The tokens of one run. The key never shows in a repr."""

    __slots__ = ("_cipher",)

    def __init__(self, secret: bytes, tenant: str, run: str) -> None:
        """Derives the run's key; raises ValueError for a secret that is too short."""
        if len(secret) < MIN_SECRET:
            raise ValueError(f"a secret for pseudonyms has at least {MIN_SECRET} bytes")
        info = b"\0".join((b"amas pseudonyms v1", tenant.encode(), run.encode()))
        self._cipher = AESSIV(HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret))

    def token(self, detector: str, value: str) -> str:
        """The token of a value, such as `<EMAIL:…>`."""
        sealed = self._cipher.encrypt(value.encode("utf-8", "surrogatepass"), [detector.encode()])
        body = base64.b32encode(sealed).decode().rstrip("=")
        return f"<{detector.upper().replace('-', '_')}:{body}>"

    def restore(self, value: Any, allowed: Callable[[str], bool]) -> Any:
        """The JSON value with the values in place of this run's tokens, of those detectors that are allowed."""
        if isinstance(value, str):
            return _TOKEN.sub(lambda found: self._value(found, allowed), value) if "<" in value else value
        if isinstance(value, dict):
            return {key: self.restore(item, allowed) for key, item in value.items()}
        if isinstance(value, list):
            return [self.restore(item, allowed) for item in value]
        return value

    def _value(self, found: re.Match[str], allowed: Callable[[str], bool]) -> str:
        detector = found[1].lower().replace("_", "-")
        if not allowed(detector):
            return found[0]
        try:
            sealed = base64.b32decode(found[2] + "=" * (-len(found[2]) % 8))
            return self._cipher.decrypt(sealed, [detector.encode()]).decode("utf-8", "surrogatepass")
        except (InvalidTag, binascii.Error, ValueError):
            return found[0]
