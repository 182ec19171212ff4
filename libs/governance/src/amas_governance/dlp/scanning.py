"""Scans a text with all detectors at once and redacts what was found.

Findings are sorted and never overlap; where detectors overlap, the finding covers all of what either saw, so that
nothing sensitive sticks out at an edge.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import hyperscan

from .detectors import DETECTORS

MAX_TEXT_BYTES = 16 * 1024 * 1024
MAX_RAW_MATCHES = 2_000_000
"""Ends of matches that hyperscan may report for one text; more is an attack and refused."""

_OnMatch = Callable[[int, int, int, int, object], bool | None]
_CATEGORY_RANK = {"secret": 0, "pci": 1, "pii": 2}


class ScanRefused(ValueError):  # noqa: N818 - says what happened
    """The text is too long or too dense to scan; callers must treat it as sensitive (fail closed)."""


@dataclass(frozen=True, order=True)
class Finding:
    """A sensitive span: positions are characters of the text, the end is behind the last one."""

    start: int
    end: int
    detector: str
    category: str


def scan(text: str) -> list[Finding]:
    """All findings, sorted by position, without overlaps. Raises ScanRefused for what cannot be scanned in bounds."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_TEXT_BYTES:
        raise ScanRefused(f"longer than {MAX_TEXT_BYTES} bytes")
    matches = _matches(data)
    if not matches:
        return []
    place = _character_positions(data, matches)
    found: list[Finding] = []
    for index, start, end in matches:
        detector = DETECTORS[index]
        spans: Iterable[tuple[int, int]] = ((place[start], place[end]),)
        if detector.refine is not None:
            spans = detector.refine(text, place[start], place[end])
        found.extend(Finding(begin, stop, detector.name, detector.category) for begin, stop in spans)
    return _merged(found)


def redact(text: str, findings: Iterable[Finding]) -> str:
    """The text with each finding replaced by `[redacted:<detector>]`; overlapping findings are merged first."""
    parts: list[str] = []
    at = 0
    for finding in _merged(list(findings)):
        parts += [text[at : finding.start], f"[redacted:{finding.detector}]"]
        at = finding.end
    return "".join(parts) + text[at:]


def _matches(data: bytes) -> list[tuple[int, int, int]]:
    """(detector, start, end) in bytes: for each detector and start the longest match, in a fixed order."""
    longest: dict[tuple[int, int], int] = {}
    count = 0

    def on_match(index: int, start: int, end: int, _flags: int, _context: object) -> bool:
        nonlocal count
        count += 1
        key = (index, start)
        longest[key] = max(end, longest.get(key, 0))
        return count > MAX_RAW_MATCHES

    try:
        _engine().scan(data, match_event_handler=on_match)
    except hyperscan.ScanTerminated as error:
        raise ScanRefused("too many matches") from error
    if count > MAX_RAW_MATCHES:
        raise ScanRefused("too many matches")
    return sorted((index, start, end) for (index, start), end in longest.items())


def _character_positions(data: bytes, matches: list[tuple[int, int, int]]) -> dict[int, int]:
    """Character position of each byte position that a match begins or ends at, in one pass."""
    wanted = sorted({position for _, start, end in matches for position in (start, end)})
    if data.isascii():
        return {position: position for position in wanted}
    result: dict[int, int] = {}
    characters = at = 0
    for position in wanted:
        # Bytes of the form 10xxxxxx continue a character (RFC 3629).
        characters += sum(byte & 0xC0 != 0x80 for byte in data[at:position])
        result[position] = characters
        at = position
    return result


def _merged(findings: list[Finding]) -> list[Finding]:
    rank = {detector.name: number for number, detector in enumerate(DETECTORS)}

    def precedence(finding: Finding) -> tuple[int, int]:
        return (_CATEGORY_RANK.get(finding.category, 9), rank.get(finding.detector, 99))

    merged: list[Finding] = []
    for finding in sorted(findings, key=lambda found: (found.start, -found.end, *precedence(found))):
        if merged and finding.start < merged[-1].end:
            last = merged[-1]
            named = min(last, finding, key=precedence)
            merged[-1] = Finding(last.start, max(last.end, finding.end), named.detector, named.category)
        else:
            merged.append(finding)
    return merged


class _Engine:
    """The compiled patterns; hyperscan's scratch space serves one scan at a time, so scans take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = hyperscan.Database()
        # Bytes, not UTF-8 mode: patterns are ASCII, and invalid UTF-8 is undefined behaviour in that mode.
        self._database.compile(
            expressions=[detector.pattern for detector in DETECTORS],
            ids=list(range(len(DETECTORS))),
            elements=len(DETECTORS),
            flags=hyperscan.HS_FLAG_SOM_LEFTMOST,
        )

    def scan(self, data: bytes, match_event_handler: _OnMatch) -> None:
        with self._lock:
            self._database.scan(data, match_event_handler=match_event_handler)


@functools.cache
def _engine() -> _Engine:
    return _Engine()
