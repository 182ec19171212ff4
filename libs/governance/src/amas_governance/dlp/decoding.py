"""Other readings of a text: what is written in base64, hexadecimal, percent signs, entities, escapes or look-alikes.

Each reading knows which part of the text each of its characters stands for, so that what is found in it can be redacted
in the text itself. One layer is undone, not several: who encodes twice is stopped by bounds on what may leave.
"""

from __future__ import annotations

import binascii
import functools
import html
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from confusable_homoglyphs import confusables

Encoding = Literal["plain", "base64", "hex", "percent", "entities", "escapes", "folded", "split"]

MIN_ENCODED = 12
"""Characters of base64 or hexadecimal that are tried; what they hold is shorter than any secret."""
# What was taken is never given back, and no run is tried from its middle: each text is read once, whatever is in it.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}+(?:\r?\n[A-Za-z0-9+/_-]{4,}+)*+={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ :,]?){6,}+")
ENCODED: dict[Encoding, bytes] = {
    "base64": rb"[A-Za-z0-9+/_-]{12}",
    "hex": rb"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ :,]?){6}",
}
"""In hyperscan's language, over bytes: what is in every text that holds a run of that encoding."""
_HEX_NOISE = re.compile(r"0x|\\x|[ :,]")
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\r\n")
_STRANGE = re.compile(f"[{re.escape(_CONTROLS.decode())}\ufffd]")
"""What decoding by chance leaves: control characters that no text has, and broken UTF-8."""
_BEYOND_ASCII = re.compile("[^\\x00-\\x7f]")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class Reading:
    """A text as it reads once one encoding is undone. `places` has the span of the original for each character."""

    encoding: Encoding
    text: str
    places: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the original holds these characters."""
        covered = self.places[start:end]
        return covered[0][0], max(stop for _, stop in covered)


def readings(text: str, hints: Collection[Encoding] = tuple(ENCODED)) -> Iterator[Reading]:
    """Every other reading of the text that differs from it. `hints` has those of ENCODED that match the text."""
    if "base64" in hints:
        for match in _BASE64.finditer(text):
            yield from _whole("base64", match, _from_base64(match[0]))
    if "hex" in hints:
        for match in _HEX.finditer(text):
            yield from _whole("hex", match, _from_hex(match[0]))
    for encoding, mark, pattern, decode in _IN_PLACE:
        if mark in text and pattern.search(text):
            yield _in_place(encoding, text, pattern, decode)
    if not text.isascii() and any(_plain(character) != character for character in set(_BEYOND_ASCII.findall(text))):
        yield _folded(text)


def _whole(encoding: Encoding, match: re.Match[str], decoded: str | None) -> Iterator[Reading]:
    """A run that is read as a whole: whatever is found in it, all of the run goes."""
    if decoded:
        yield Reading(encoding, decoded, (match.span(),) * len(decoded))


def _from_base64(run: str) -> str | None:
    """The text in a run of base64 (RFC 4648, both alphabets); None if it is none."""
    compact = run.translate(_COMPACT)
    for skip in range(4):
        # A run that touches letters before it begins up to three characters late.
        part = compact[skip:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            decoded = _readable(binascii.a2b_base64(part + "=" * (-len(part) % 4), strict_mode=True))
        except binascii.Error:
            continue
        if decoded:
            return decoded
    return None


def _from_hex(run: str) -> str | None:
    try:
        return _readable(bytes.fromhex(_HEX_NOISE.sub("", run)))
    except ValueError:
        return None


def _readable(data: bytes) -> str | None:
    """The text, if it is mostly one: chance gives control characters and broken UTF-8."""
    # No text is longer than its bytes, so that these alone may be too many.
    if (len(data) - len(data.translate(None, _CONTROLS))) * 10 > len(data):
        return None
    text = data.decode("utf-8", "replace")
    return text if len(text) >= MIN_ENCODED // 2 and len(_STRANGE.findall(text)) * 10 <= len(text) else None


def _in_place(encoding: Encoding, text: str, pattern: re.Pattern[str], decode: Callable[[str], str]) -> Reading:
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    for match in pattern.finditer(text):
        parts.append(text[at : match.start()])
        places += [(place, place + 1) for place in range(at, match.start())]
        decoded = decode(match[0])
        parts.append(decoded)
        places += [match.span()] * len(decoded)
        at = match.end()
    parts.append(text[at:])
    places += [(place, place + 1) for place in range(at, len(text))]
    return Reading(encoding, "".join(parts), tuple(places))


def _from_percent(run: str) -> str:
    return bytes.fromhex(run.replace("%", "")).decode("utf-8", "replace")


def _from_escape(run: str) -> str:
    return chr(int(run[2:], 16))


def _folded(text: str) -> Reading:
    """Without invisible characters, compatibility forms as their plain ones, look-alikes as the Latin letter."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        plain = _plain(character)
        parts.append(plain)
        places += [(place, place + 1)] * len(plain)
    return Reading("folded", "".join(parts), tuple(places))


@functools.lru_cache(maxsize=65_536)
def _plain(character: str) -> str:
    """How a person reads one character (Unicode TR 39 confusables, NFKC)."""
    if character.isascii():
        return character
    # Format characters: zero-width spaces and joiners, direction marks, tags.
    if unicodedata.category(character) in {"Cf", "Mn", "Me"}:
        return ""
    normal = unicodedata.normalize("NFKC", character)
    if normal.isascii():
        return normal
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    alike = [entry["c"] for entry in confusables.confusables_data.get(character, ())]
    letters = [other for other in alike if other.isascii() and other.isalnum()]
    # The table has a small l for whatever looks like a capital I.
    same_case = (other for other in letters if other.isupper() == character.isupper())
    found = next(same_case, (letters or [character])[0])
    return "I" if found == "l" and character.isupper() else found


_COMPACT = str.maketrans("-_", "+/", "\r\n=")
"""The standard alphabet alone."""
_IN_PLACE: tuple[tuple[Encoding, str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("percent", "%", _PERCENT, _from_percent),
    ("entities", "&", _ENTITY, html.unescape),
    ("escapes", "\\", _ESCAPE, _from_escape),
)
