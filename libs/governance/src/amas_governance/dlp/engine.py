"""Patterns compiled for hyperscan, and what it reports about a text in a form that its order cannot change."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Protocol

import hyperscan

MAX_RAW_MATCHES = 2_000_000
"""Ends of matches that hyperscan may report for one text; more is an attack and refused."""

RawMatch = tuple[int, int, int]
"""Number of the pattern, start and end in bytes, before any check."""
_OnMatch = Callable[[int, int, int, int, object], bool | None]


class ScanRefused(ValueError):  # noqa: N818 - says what happened
    """The text is too long or too dense to scan; callers must treat it as sensitive (fail closed)."""


class Kept(Protocol):
    """Where compiled patterns are kept for the next process; what it answers is run, so it must be trusted."""

    def get(self, name: str) -> bytes | None:
        """What was put under the name, or None."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Keep it, if possible."""
        ...


class Engine:
    """Compiled patterns; hyperscan's scratch space serves one scan at a time, so scans take turns."""

    def __init__(self, patterns: Sequence[bytes], hints: Sequence[bytes] = (), kept: Kept | None = None) -> None:
        """Compiles the patterns; a match names them by their number. Of a hint it only counts whether it matches.

        What `kept` has of the same patterns is taken instead.
        """
        self._lock = threading.Lock()
        self._patterns = len(patterns)
        flags = [hyperscan.HS_FLAG_SOM_LEFTMOST] * len(patterns) + [hyperscan.HS_FLAG_SINGLEMATCH] * len(hints)
        expressions = [*patterns, *hints]
        if kept is None:
            self._database = _compiled(expressions, flags)
            return
        name = _name(expressions, flags)
        database = _loaded(kept.get(name))
        if database is None:
            database = _compiled(expressions, flags)
            kept.put(name, hyperscan.dumpb(database))
        self._database = database

    def longest(self, data: bytes) -> list[RawMatch]:
        """For each pattern and start the longest match, in a fixed order. Raises ScanRefused for too many."""
        return self.look(data)[0]

    def look(self, data: bytes) -> tuple[list[RawMatch], Sequence[int]]:
        """`longest`, and the numbers of the hints that match; in one pass."""
        longest: dict[tuple[int, int], int] = {}
        hints: list[int] = []
        known, count = self._patterns, 0

        def on_match(index: int, start: int, end: int, _flags: int, _context: object) -> bool:
            nonlocal count
            if index >= known:
                hints.append(index - known)
                return False
            count += 1
            key = (index, start)
            if longest.get(key, 0) < end:
                longest[key] = end
            return count > MAX_RAW_MATCHES

        try:
            self._scan(data, on_match)
        except hyperscan.ScanTerminated as error:
            raise ScanRefused("too many matches") from error
        if count > MAX_RAW_MATCHES:
            raise ScanRefused("too many matches")
        return sorted([(index, start, end) for (index, start), end in longest.items()]), hints

    def _scan(self, data: bytes, on_match: _OnMatch) -> None:
        with self._lock:
            self._database.scan(data, match_event_handler=on_match)


def _compiled(expressions: list[bytes], flags: list[int]) -> hyperscan.Database:
    database = hyperscan.Database()
    # Bytes, not UTF-8 mode: patterns are ASCII, and invalid UTF-8 is undefined behaviour in that mode.
    database.compile(expressions=expressions, ids=list(range(len(flags))), elements=len(flags), flags=flags)
    return database


def _loaded(content: bytes | None) -> hyperscan.Database | None:
    """The database, unless it was compiled by another hyperscan or for another kind of processor."""
    if not content:
        return None
    try:
        database = hyperscan.loadb(content, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error:
        return None
    return database


def _name(expressions: list[bytes], flags: list[int]) -> str:
    """One for the patterns, their flags and the library."""
    digest = hashlib.sha256(version("hyperscan").encode())
    for expression, flag in zip(expressions, flags, strict=True):
        digest.update(b"%d %d " % (len(expression), flag) + expression)
    return f"hyperscan-{digest.hexdigest()}"
