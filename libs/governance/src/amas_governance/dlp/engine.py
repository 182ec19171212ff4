"""Patterns compiled for hyperscan, and what it reports about a text in a form that its order cannot change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import hyperscan

MAX_RAW_MATCHES = 2_000_000
"""Ends of matches that hyperscan may report for one text; more is an attack and refused."""

RawMatch = tuple[int, int, int]
"""Number of the pattern, start and end in bytes, before any check."""
_OnMatch = Callable[[int, int, int, int, object], bool | None]


class ScanRefused(ValueError):  # noqa: N818 - says what happened
    """The text is too long or too dense to scan; callers must treat it as sensitive (fail closed)."""


class Engine:
    """Compiled patterns; hyperscan's scratch space serves one scan at a time, so scans take turns."""

    def __init__(self, patterns: Sequence[bytes], hints: Sequence[bytes] = ()) -> None:
        """Compiles the patterns; a match names them by their number. Of a hint it only counts whether it matches."""
        self._lock = threading.Lock()
        self._patterns = len(patterns)
        expressions = [*patterns, *hints]
        self._database = hyperscan.Database()
        # Bytes, not UTF-8 mode: patterns are ASCII, and invalid UTF-8 is undefined behaviour in that mode.
        self._database.compile(
            expressions=expressions,
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=[hyperscan.HS_FLAG_SOM_LEFTMOST] * len(patterns) + [hyperscan.HS_FLAG_SINGLEMATCH] * len(hints),
        )

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
