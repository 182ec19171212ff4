"""Scans a text with all detectors at once and redacts what was found.

Findings are sorted and never overlap; where detectors overlap, the finding covers all of what either saw, so that
nothing sensitive sticks out at an edge.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import hyperscan

from .contextual import CONTEXTUAL
from .detector import Detector
from .detectors import DETECTORS
from .people import PEOPLE

MAX_TEXT_BYTES = 16 * 1024 * 1024
MAX_RAW_MATCHES = 2_000_000
"""Ends of matches that hyperscan may report for one text; more is an attack and refused."""

RawMatch = tuple[int, int, int]
"""Number of the pattern, start and end in bytes, before any check."""
_OnMatch = Callable[[int, int, int, int, object], bool | None]
_CATEGORY_RANK = {"secret": 0, "pci": 1, "phi": 2, "pii": 3}
DEEP = (*DETECTORS, *CONTEXTUAL, *PEOPLE)
"""What whole texts are looked through for where more than the form of a word may count."""
_NAME_RANK = {detector.name: number for number, detector in enumerate(DEEP)}


class ScanRefused(ValueError):  # noqa: N818 - says what happened
    """The text is too long or too dense to scan; callers must treat it as sensitive (fail closed)."""


@dataclass(frozen=True, order=True)
class Finding:
    """A sensitive span: positions are characters of the text, the end is behind the last one."""

    start: int
    end: int
    detector: str
    category: str


def scan(text: str, categories: frozenset[str] | None = None, *, deep: bool = False) -> list[Finding]:
    """All findings, sorted by position, without overlaps; of some categories only, if they are named.

    `deep` looks at the words beside a number too, and for names and addresses (best effort); streams cannot.
    Raises ScanRefused for what cannot be scanned in bounds.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_TEXT_BYTES:
        raise ScanRefused(f"longer than {MAX_TEXT_BYTES} bytes")
    matches, detectors = _matches(data, categories, deep=deep)
    if not matches:
        return []
    place = _character_positions(data, matches)
    placed = [(index, place[start], place[end]) for index, start, end in matches]
    return findings_of(text, placed, detectors)


def _matches(
    data: bytes, categories: frozenset[str] | None, *, deep: bool
) -> tuple[list[RawMatch], tuple[Detector, ...]]:
    """What matches, and the detectors that its numbers mean.

    Categories of streams have patterns of their own, which streams use too; all else shares one set, compiled once.
    """
    if categories is not None and not deep:
        detectors = detectors_of(categories)
        return (engine_of(categories).longest(data) if detectors else []), detectors
    known = len(DEEP) if deep else len(DETECTORS)
    found = [
        match
        for match in whole_engine().longest(data)
        if match[0] < known and (categories is None or DEEP[match[0]].category in categories)
    ]
    return found, DEEP


def may_hold(texts: Iterable[str], categories: frozenset[str] | None = None, *, deep: bool = False) -> bool:
    """False if `scan` finds nothing in any of the texts; one pass over all of them, before any check.

    Raises ScanRefused as `scan` does.
    """
    data = "\n".join(texts).encode("utf-8", "surrogatepass")
    if len(data) > MAX_TEXT_BYTES:
        raise ScanRefused(f"longer than {MAX_TEXT_BYTES} bytes")
    return bool(_matches(data, categories, deep=deep)[0])


def findings_of(text: str, matches: Iterable[RawMatch], detectors: Sequence[Detector]) -> list[Finding]:
    """What of the matches (positions in characters of `text`) passes its detector's check, sorted, without overlaps."""
    found: list[Finding] = []
    for index, start, end in matches:
        detector = detectors[index]
        spans: Iterable[tuple[int, int]] = ((start, end),)
        if detector.refine is not None:
            spans = detector.refine(text, start, end)
        found.extend(Finding(begin, stop, detector.name, detector.category) for begin, stop in spans)
    return _merged(found)


@functools.cache
def detectors_of(categories: frozenset[str]) -> tuple[Detector, ...]:
    """The detectors of some categories; in the order of DETECTORS."""
    return tuple(detector for detector in DETECTORS if detector.category in categories)


def redact(text: str, findings: Iterable[Finding]) -> str:
    """The text with each finding replaced by `[redacted:<detector>]`; overlapping findings are merged first."""
    parts: list[str] = []
    at = 0
    for finding in _merged(list(findings)):
        parts += [text[at : finding.start], f"[redacted:{finding.detector}]"]
        at = finding.end
    return "".join(parts) + text[at:]


def _character_positions(data: bytes, matches: list[RawMatch]) -> dict[int, int]:
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
    def precedence(finding: Finding) -> tuple[int, int]:
        return (_CATEGORY_RANK.get(finding.category, 9), _NAME_RANK.get(finding.detector, len(_NAME_RANK)))

    merged: list[Finding] = []
    for finding in sorted(findings, key=lambda found: (found.start, -found.end, *precedence(found))):
        if merged and finding.start < merged[-1].end:
            last = merged[-1]
            named = min(last, finding, key=precedence)
            merged[-1] = Finding(last.start, max(last.end, finding.end), named.detector, named.category)
        else:
            merged.append(finding)
    return merged


class Engine:
    """Compiled patterns; hyperscan's scratch space serves one scan at a time, so scans take turns."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        """Compiles the patterns; a match names them by their number."""
        self._lock = threading.Lock()
        self._database = hyperscan.Database()
        # Bytes, not UTF-8 mode: patterns are ASCII, and invalid UTF-8 is undefined behaviour in that mode.
        self._database.compile(
            expressions=list(patterns),
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=hyperscan.HS_FLAG_SOM_LEFTMOST,
        )

    def longest(self, data: bytes) -> list[RawMatch]:
        """For each pattern and start the longest match, in a fixed order. Raises ScanRefused for too many."""
        longest: dict[tuple[int, int], int] = {}
        count = 0

        def on_match(index: int, start: int, end: int, _flags: int, _context: object) -> bool:
            nonlocal count
            count += 1
            key = (index, start)
            longest[key] = max(end, longest.get(key, 0))
            return count > MAX_RAW_MATCHES

        try:
            self._scan(data, on_match)
        except hyperscan.ScanTerminated as error:
            raise ScanRefused("too many matches") from error
        if count > MAX_RAW_MATCHES:
            raise ScanRefused("too many matches")
        return sorted((index, start, end) for (index, start), end in longest.items())

    def _scan(self, data: bytes, on_match: _OnMatch) -> None:
        with self._lock:
            self._database.scan(data, match_event_handler=on_match)


@functools.cache
def engine_of(categories: frozenset[str]) -> Engine:
    """The patterns of `detectors_of`, which must not be empty."""
    return Engine([detector.pattern for detector in detectors_of(categories)])


@functools.cache
def whole_engine() -> Engine:
    """The patterns of DEEP. Compiling them takes a second or two: a service does it before it serves."""
    return Engine([detector.pattern for detector in DEEP])
