"""The keyword `pathPrefixes`: a value is a path under one of these folders, whoever reads it.

A path is judged by its text alone, so whatever another reader could take for a different path is refused rather than
normalised: `..` (which the kernel follows after links, and text cannot), backslashes, encodings, look-alike characters,
drives and schemes. Only doubled slashes and `.` are dropped. Nothing here touches a file system.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PATH = 4096
"""Characters of the longest path, as on Linux."""
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_MEANINGFUL = frozenset("./\\%:~")
# Control characters, invisible format characters, unassigned and private ones, halves of pairs, odd line ends.
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class NotAPath(ValueError):  # noqa: N818 - says what happened
    """The text is no path that all readers understand alike."""


@dataclass(frozen=True)
class PlainPath:
    """A path in its parts, without `.` and empty ones."""

    absolute: bool
    parts: tuple[str, ...]

    def under(self, prefix: PlainPath) -> bool:
        """Whether it is that folder or stands below it; an absolute path never stands below a relative one."""
        return self.absolute == prefix.absolute and self.parts[: len(prefix.parts)] == prefix.parts


def plain_path(text: object) -> PlainPath:
    """The path of a text; raises NotAPath with a sentence that does not repeat it."""
    if not isinstance(text, str):
        raise NotAPath("is no text")
    if not text or len(text) > MAX_PATH:
        raise NotAPath(f"has not 1 to {MAX_PATH} characters")
    if text != text.strip():
        raise NotAPath("begins or ends with white space")
    _refuse_tricks(text)
    if text.startswith("//"):
        raise NotAPath("begins with two slashes")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if ".." in parts:
        raise NotAPath("goes up with `..`")
    if parts and (parts[0].startswith("~") or ":" in parts[0]):
        raise NotAPath("begins with a home folder, a drive or a scheme")
    return PlainPath(text.startswith("/"), parts)


def _refuse_tricks(text: str) -> None:
    if "\\" in text:
        raise NotAPath("holds a backslash")
    if _ENCODED.search(text):
        raise NotAPath("holds a percent-encoded character")
    for character in text:
        if character.isascii():
            if not character.isprintable():
                raise NotAPath("holds a control character")
            continue
        if unicodedata.category(character) in _INVISIBLE:
            raise NotAPath("holds an invisible character")
        if not _MEANINGFUL.isdisjoint(unicodedata.normalize("NFKC", character)):
            raise NotAPath("holds a character that looks like a part of the path's syntax")


def check_prefixes(prefixes: Sequence[str]) -> None:
    """Raises ValueError for a prefix that no path could stand under."""
    for prefix in prefixes:
        try:
            plain_path(prefix)
        except NotAPath as error:
            raise ValueError(f"a prefix of pathPrefixes {error}") from error


def outside_prefixes(value: object, prefixes: Sequence[str]) -> str | None:
    """What is wrong with the value; None when it is a path under one of the prefixes."""
    try:
        path = plain_path(value)
    except NotAPath as error:
        return f"the value {error}, so it is no path under {words(prefixes)}"
    if any(path.under(plain_path(prefix)) for prefix in prefixes):
        return None
    return f"the value is no path under {words(prefixes)}"


def words(prefixes: Sequence[str]) -> str:
    """`docs or notes`."""
    return " or ".join(prefixes)
