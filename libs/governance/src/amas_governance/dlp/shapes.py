"""Detectors that are written as a row of parts, so that what a stream must hold back follows from the same parts.

A detector and its beginning that are written apart can disagree, and then a secret gets through in two halves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

Part = bytes
"""A pattern in hyperscan's language that matches a character, or a run of them if it is the last one."""


def letters(word: bytes) -> tuple[Part, ...]:
    """One part a letter."""
    return tuple(re.escape(bytes([letter])) for letter in word)


def times(part: Part, count: int) -> tuple[Part, ...]:
    """The part, `count` times."""
    return (part,) * count


def begun(*parts: Part) -> bytes:
    """The parts in order, from the first one to any number of them."""
    pattern = b""
    for part in reversed(parts):
        pattern = part + (b"(?:" + pattern + b")?" if pattern else b"")
    return pattern


@dataclass(frozen=True)
class Shape:
    """A word of a known form: `parts` are characters, then at least `least` of the set `tail` (empty: the end)."""

    parts: tuple[Part, ...]
    tail: bytes = b""
    least: int = 0

    @property
    def pattern(self) -> bytes:
        """All of it."""
        body = rb"\b" + b"".join(self.parts)
        return body + self.tail + b"{%d,}" % self.least if self.tail else body + rb"\b"

    @property
    def beginning(self) -> bytes:
        """Everything that more text could turn into a match, or that has been one up to here."""
        rest = (self.tail + b"*",) if self.tail else ()
        first, *others = self.parts
        return begun(rb"\b" + first, *others, *rest)


def prefixed(prefix: bytes, tail: bytes, least: int) -> Shape:
    """A token: a vendor's prefix, then at least `least` characters of a set such as `[a-z0-9]`."""
    return Shape(letters(prefix), tail, least)


def row(*parts: Part | Iterable[Part]) -> Shape:
    """A number of a fixed form: parts and rows of parts, in order."""
    flat: list[Part] = []
    for part in parts:
        flat += [part] if isinstance(part, bytes) else list(part)
    return Shape(tuple(flat))
