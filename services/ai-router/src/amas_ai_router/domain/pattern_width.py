"""How long a match of an RE2 pattern can be, so that a stream holds no more back than a match can need.

RE2 does not tell, and its syntax is not quite Python's. What this does not know has no bound, which costs time to the
first token and nothing else.
"""

from __future__ import annotations

import re

_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|[imsU-]*:))?")
_FLAGS = re.compile(r"\(\?[imsU-]+\)")
_REPEAT = re.compile(r"(?:([*+?])|\{(\d+)(,(\d*))?\})\??")
_ESCAPE = re.compile(r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[pP](?:\{\^?\w+\}|\w)|[0-7]{1,3}|.)", re.DOTALL)
_EMPTY_ESCAPES = frozenset("AbBzZ")
# `\\Q` quotes up to `\\E`, and `\\C` is a byte.
_UNKNOWN_ESCAPES = frozenset("QEC")


class _UnknownSyntaxError(ValueError):
    """Something that is not read here."""


def longest_match(pattern: str) -> int | None:
    """Characters of the longest match, or None: no bound, or none that is known."""
    try:
        width, at = _alternatives(pattern, 0)
    except _UnknownSyntaxError:
        return None
    return width if at == len(pattern) else None


def _alternatives(pattern: str, at: int) -> tuple[int | None, int]:
    """The widest of the alternatives, up to the end of the group."""
    widths: list[int | None] = []
    total: int | None = 0
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            widths.append(total)
            total, at = 0, at + 1
            continue
        flags = _FLAGS.match(pattern, at)
        if flags:
            at = flags.end()
            continue
        width, at = _item(pattern, at)
        width, at = _repeated(width, pattern, at)
        total = None if total is None or width is None else total + width
    widths.append(total)
    known = [width for width in widths if width is not None]
    return (max(known) if len(known) == len(widths) else None), at


def _item(pattern: str, at: int) -> tuple[int | None, int]:
    character = pattern[at]
    if character == "(":
        group = _GROUP.match(pattern, at)
        if group is None or pattern.startswith("(?", at) is not (group.end() > at + 1):
            raise _UnknownSyntaxError
        width, at = _alternatives(pattern, group.end())
        if at >= len(pattern):
            raise _UnknownSyntaxError
        return width, at + 1
    if character in "^$":
        return 0, at + 1
    if character == "[":
        matched = _CLASS.match(pattern, at)
    elif character == "\\":
        matched = _ESCAPE.match(pattern, at)
        if matched is None or pattern[at + 1] in _UNKNOWN_ESCAPES:
            raise _UnknownSyntaxError
        if pattern[at + 1] in _EMPTY_ESCAPES:
            return 0, matched.end()
    else:
        return 1, at + 1
    if matched is None:
        raise _UnknownSyntaxError
    return 1, matched.end()


def _repeated(width: int | None, pattern: str, at: int) -> tuple[int | None, int]:
    while (repeat := _REPEAT.match(pattern, at)) is not None:
        at = repeat.end()
        sign, least, range_, most = repeat.groups()
        unbounded = sign in ("*", "+") or (range_ is not None and most == "")
        times = 1 if sign == "?" else int(most or least or 1)
        # Nothing, however often, is nothing.
        width = width if width == 0 else None if unbounded or width is None else width * times
    return width, at
