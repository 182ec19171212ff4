"""Canonical JSON (RFC 8785) and the digests over it: one value has one text, so that one digest names it.

Numbers are IEEE 754 doubles, as RFC 8785 says: `1.0` and `1` are the same value, and an integer beyond
±(2^53 - 1) has no exact double and is refused instead of rounded. This module must never repair its input.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NoReturn

import rfc8785

MAX_DEPTH = 64
"""Nesting of a document; deeper ones serve nobody but an attacker of recursive code."""

MAX_BYTES = 16 * 1024 * 1024
"""Length in bytes of the longest text that is parsed."""

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader reads the same (RFC 8785 section 3.2.2.3)."""

DIGEST_PREFIX = "sha256:"


class JsonRefused(ValueError):  # noqa: N818 - the name that callers read: what happened, not that it is an error
    """The text or value is not JSON that two readers are sure to read alike; the message is safe to show."""


def canonical_json(value: Any) -> bytes:
    """UTF-8 bytes of `value` in the form of RFC 8785; raises JsonRefused for what JSON cannot carry exactly."""
    try:
        if _plain(value):
            return _encode(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        why = "input contains non-UTF-8 codepoints" if isinstance(error, UnicodeEncodeError) else str(error)
        raise JsonRefused(f"not representable as canonical JSON: {why}") from error


# Strings are escaped as RFC 8785 section 3.2.2.2 says; whoever gets here has checked the rest.
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode


def _plain(value: Any) -> bool:
    """Whether the standard library writes it as RFC 8785 does, ten times as fast.

    Not so doubles, and names beyond ASCII, which RFC 8785 sorts by UTF-16; nor what only looks like JSON's own types.
    """
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and key.isascii() and _plain(item) for key, item in value.items())
    if kind is list:
        return all(map(_plain, value))
    if kind is int:
        return bool(-MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER)
    return kind is str or kind is bool or value is None


def digest_bytes(content: bytes) -> str:
    """`sha256:<64 lower-case hex digits>` of the bytes."""
    return DIGEST_PREFIX + hashlib.sha256(content).hexdigest()


def digest(value: Any) -> str:
    """Digest of the canonical JSON of a value."""
    return digest_bytes(canonical_json(value))


def parse_json(text: str | bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value of a JSON text; refuses duplicate keys, NaN, Infinity, inexact numbers and deep nesting.

    Raises JsonRefused (a ValueError) that says what is wrong and never repeats the text.
    """
    decoded = _decoded(text, max_bytes)
    _refuse_deep(decoded)
    try:
        value = json.loads(
            decoded,
            object_pairs_hook=_unique_pairs,
            parse_constant=_refuse_constant,
            parse_int=_safe_int,
            parse_float=_finite_float,
        )
    except JsonRefused:
        raise
    except json.JSONDecodeError as error:
        raise JsonRefused(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise JsonRefused("not JSON: a value is out of range") from error
    if "\\u" in decoded:
        _refuse_lone_surrogates(value)
    return value


def _decoded(text: str | bytes, max_bytes: int) -> str:
    try:
        raw = text.encode("utf-8") if isinstance(text, str) else text
        if len(raw) > max_bytes:
            raise JsonRefused(f"longer than {max_bytes} bytes")
        return raw.decode("utf-8")
    except UnicodeError as error:
        raise JsonRefused("not valid UTF-8") from error


def _refuse_deep(text: str) -> None:
    """Counts brackets outside strings, so that the recursive parser never sees a deep document."""
    depth, in_string, escaped = 0, False, False
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JsonRefused(f"nested deeper than {MAX_DEPTH} levels")
        elif character in "]}":
            depth -= 1


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise JsonRefused(f"the key {key[:80]!r} appears twice in one object")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise JsonRefused(f"{name} is not JSON")


def _safe_int(digits: str) -> int | float:
    # 17 characters hold every safe integer with its sign; longer ones need no conversion to be refused.
    if len(digits) <= 17 and abs(int(digits)) <= MAX_SAFE_INTEGER:
        return int(digits)
    # A large double in canonical form looks like an integer, and is read back as the double that it is.
    if len(digits) <= 22 and canonical_json(float(digits)) == digits.encode("ascii"):
        return float(digits)
    raise JsonRefused("an integer is beyond ±(2^53 - 1) and would be rounded")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise JsonRefused("a number is beyond the range of a double")
    return value


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise JsonRefused("a string holds half of a surrogate pair") from error
