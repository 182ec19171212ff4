"""Hides credentials in text, also where they stand encoded: base64, hex, URL, HTML and JSON escapes.

It finds what was encoded once, in the ways that programs do by themselves. A tool that is set on smuggling its own
credential out can always write it in a way that nobody looks for; that is what its network is closed against.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted:credential]"
# Shorter values would be masked everywhere by chance; encoded ones are looked for from twice of that on.
_MIN_MASKED = 4
_MIN_ENCODED = 8


class CredentialMask:
    """All values in all their forms."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        # Longest first, so that one that holds another goes as a whole.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))

    def text(self, text: str) -> str:
        """The text without any of the values."""
        # Plain searches, one a form: much faster on long texts than one pattern of many alternatives.
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def value(self, value: Any) -> Any:
        """The JSON value without any of the values in its strings, names of members included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    """The value, and the secret part of `Bearer <token>` alone, in every form that is looked for."""
    forms: set[str] = set()
    for secret in {value, value.split()[-1]}:
        if len(secret) >= _MIN_MASKED:
            # Whole texts are encoded as often as they are JSON before: then the escaped form is what is encoded.
            written = {secret, *_json(secret)}
            forms |= {*written, *(form for text in written for form in _escaped(text))}
            forms |= {form for text in written for form in _encoded(text.encode()) if len(form) >= _MIN_ENCODED}
    return forms


def _json(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _escaped(text: str) -> set[str]:
    percent = {quote(text, safe=""), quote(text), quote_plus(text)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in percent}
    return {html.escape(text), repr(text)[1:-1], *percent, *lower, *_json(text)}


def _encoded(secret: bytes) -> set[str]:
    pairs = secret.hex()
    spaced = {secret.hex(separator) for separator in (" ", ":")}
    found = {pairs, pairs.upper(), *spaced, *(form.upper() for form in spaced)}
    escaped = "".join(f"\\x{byte:02x}" for byte in secret)
    for offset in range(3):
        # Where the secret stands within a longer text, its first and last characters depend on its neighbours.
        first, last = -(-offset * 8 // 6), (offset + len(secret)) * 8 // 6
        plain = base64.b64encode(b"\0" * offset + secret).decode()[first:last]
        found |= {plain, plain.replace("+", "-").replace("/", "_")}
    return {*found, escaped, base64.b32encode(secret).decode().rstrip("=")}
