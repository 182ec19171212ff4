"""Scans a text with all detectors at once and redacts what was found.

Findings are sorted and never overlap; where detectors overlap, the finding covers all of what either saw, so that
nothing sensitive sticks out at an edge.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .contextual import CONTEXTUAL
from .decoding import ENCODED, Encoding
from .detector import Detector
from .detectors import DETECTORS
from .engine import Engine, Kept, RawMatch, ScanRefused
from .people import PEOPLE

MAX_TEXT_BYTES = 16 * 1024 * 1024
_CONTINUING = bytes(range(0x80, 0xC0))
"""Bytes that continue a character (RFC 3629)."""
_CATEGORY_RANK = {"secret": 0, "pci": 1, "phi": 2, "pii": 3}
DEEP = (*DETECTORS, *CONTEXTUAL, *PEOPLE)
"""What whole texts are looked through for where more than the form of a word may count."""
_HINTED = tuple(ENCODED)
_NAME_RANK = {detector.name: number for number, detector in enumerate(DEEP)}


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
    data = encoded(text)
    matches, detectors = _matches(data, categories, deep=deep)
    return _placed(text, data, matches, detectors)


def scan_all(texts: Sequence[str]) -> tuple[list[list[Finding]], frozenset[Encoding]]:
    """`scan(text, deep=True)` of each text, and how some of them may be encoded: one pass over all that hold nothing.

    Raises ScanRefused if what is left of the texts, taken together, cannot be scanned in bounds.
    """
    data = encoded("\n".join(texts))
    matches, hints = whole_engine().look(data)
    found: list[list[Finding]] = [[] for _ in texts]
    if len(texts) == 1:
        found = [_placed(texts[0], data, matches, DEEP)]
    elif matches:
        # Side by side they may match more than each by itself, never less.
        for place in _touched(texts, matches):
            found[place] = scan(texts[place], deep=True)
    return found, frozenset(_HINTED[number] for number in hints)


def _touched(texts: Sequence[str], matches: Iterable[RawMatch]) -> list[int]:
    """Which of the texts, each on lines of its own, have a part in a match."""
    ends = list(itertools.accumulate(len(encoded(text)) + 1 for text in texts))
    touched: set[int] = set()
    for _, start, end in matches:
        touched.update(range(bisect.bisect_right(ends, start), bisect.bisect_right(ends, end - 1) + 1))
    return sorted(touched)


def _placed(text: str, data: bytes, matches: list[RawMatch], detectors: Sequence[Detector]) -> list[Finding]:
    if matches and not data.isascii():
        place = _character_positions(data, matches)
        matches = [(index, place[start], place[end]) for index, start, end in matches]
    return findings_of(text, matches, detectors) if matches else []


def encoded(text: str) -> bytes:
    """The text as it is scanned; raises ScanRefused for one that is too long."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_TEXT_BYTES:
        raise ScanRefused(f"longer than {MAX_TEXT_BYTES} bytes")
    return data


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
    data = encoded("\n".join(texts))
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
    result: dict[int, int] = {}
    characters = at = 0
    for position in wanted:
        characters += len(data[at:position].translate(None, _CONTINUING))
        result[position] = characters
        at = position
    return result


def _precedence(finding: Finding) -> tuple[int, int]:
    return (_CATEGORY_RANK.get(finding.category, 9), _NAME_RANK.get(finding.detector, len(_NAME_RANK)))


def _merged(findings: list[Finding]) -> list[Finding]:
    if len(findings) < 2:
        return findings
    merged: list[Finding] = []
    for finding in sorted(findings, key=lambda found: (found.start, -found.end, *_precedence(found))):
        if merged and finding.start < merged[-1].end:
            last = merged[-1]
            named = min(last, finding, key=_precedence)
            merged[-1] = Finding(last.start, max(last.end, finding.end), named.detector, named.category)
        else:
            merged.append(finding)
    return merged


@functools.cache
def engine_of(categories: frozenset[str]) -> Engine:
    """The patterns of `detectors_of`, which must not be empty."""
    return Engine([detector.pattern for detector in detectors_of(categories)])


_whole: list[Engine] = []


def whole_engine(kept: Kept | None = None) -> Engine:
    """The patterns of DEEP, with the hints of what may be encoded; made once.

    Compiling them takes most of a second, unless `kept` has them: a service does it before it serves.
    """
    if not _whole:
        _whole.append(Engine([detector.pattern for detector in DEEP], hints=tuple(ENCODED.values()), kept=kept))
    return _whole[0]
