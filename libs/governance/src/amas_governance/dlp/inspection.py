"""Looks through a JSON value as a whole: every text, every other reading of it, and what is split over several texts.

For what leaves: arguments of tools, answers, notices. It costs more than `scan`, and sees what `scan` alone cannot.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .decoding import Encoding, Reading, readings
from .engine import ScanRefused
from .scanning import Finding, may_hold, scan, scan_all

MAX_TEXTS = 20_000
"""Texts of one value; more are an attack on the scanner and refused."""
MAX_PAIRED = 12
"""Texts that are also read in every other order, two at a time."""
MAX_PAIRED_CHARACTERS = 4_096
_DIGITS = re.compile(r"[0-9][0-9 -]{2,}")
_SPLIT_CATEGORIES = frozenset({"secret", "pci"})

MAX_NESTING = 3
"""Lists and objects around a text whose texts are read one behind the other."""

Path = tuple[str | int, ...]
_Named = tuple[Path, str]


@dataclass(frozen=True)
class Sighting:
    """A sensitive span of the text at `path`; `encoding` says how it was written.

    A span in a key has the path of its value and `in_key`. What is split over texts has one sighting for each of them.
    """

    path: Path
    start: int
    end: int
    detector: str
    category: str
    encoding: Encoding = "plain"
    in_key: bool = False


class _Text(NamedTuple):
    """One text of a value; `named` has the name that it stands under before it."""

    path: Path
    text: str
    in_key: bool
    named: str


def inspect_text(text: str) -> list[Sighting]:
    """All sightings in one text. Raises ScanRefused for what cannot be scanned in bounds."""
    return inspect_value(text)


def inspect_value(value: Any) -> list[Sighting]:
    """All sightings in a JSON value, in the order of its texts. Raises ScanRefused as above."""
    texts = list(itertools.islice(_texts(value, ()), MAX_TEXTS + 1))
    if len(texts) > MAX_TEXTS:
        raise ScanRefused(f"more than {MAX_TEXTS} texts")
    plain, hints = scan_all([text.named for text in texts])
    others = [list(readings(text.text, hints)) for text in texts]
    read = [reading.text for found in others for reading in found]
    if not (read and may_hold(read, deep=True)):
        # One pass tells of most values that there is nothing in them.
        others = [[] for _ in texts]
    found = [sighting for one in zip(texts, plain, others, strict=True) for sighting in _of_text(*one)]
    if len(texts) > 1:
        values = [(text.path, text.text) for text in texts if not text.in_key and text.text]
        seen = {(sighting.path, sighting.detector) for sighting in found}
        found += [sighting for sighting in _split(values) if (sighting.path, sighting.detector) not in seen]
    return found


def _of_text(text: _Text, plain: list[Finding], others: list[Reading]) -> Iterator[Sighting]:
    lead = len(text.named) - len(text.text)
    covered: list[tuple[int, int]] = []
    for finding in plain:
        start, end = max(finding.start - lead, 0), finding.end - lead
        if end > start:
            covered.append((start, end))
            yield Sighting(text.path, start, end, finding.detector, finding.category, "plain", text.in_key)
    for reading in others:
        for finding in scan(reading.text, deep=True):
            start, end = reading.span(finding.start, finding.end)
            if not any(begin <= start and end <= stop for begin, stop in covered):
                yield Sighting(text.path, start, end, finding.detector, finding.category, reading.encoding, text.in_key)


def _named(text: str, path: Path, *, in_key: bool) -> str:
    """Some values are known by their names alone (`password`), which in JSON is the key."""
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    return f"{name}: {text}" if name and not in_key else text


def _split(texts: list[_Named]) -> Iterator[Sighting]:
    """What only shows when texts are read one behind the other."""
    orders = list(_orders(texts)) if len(texts) > 1 else []
    if orders and may_hold(["".join(text for _, text in order) for order in orders], _SPLIT_CATEGORIES, deep=True):
        for order in orders:
            yield from _across(order)


def _orders(texts: list[_Named]) -> Iterator[list[_Named]]:
    """All texts as they stand, those of each list or object apart, and of a few texts every two."""
    yield texts
    siblings: dict[Path, list[_Named]] = defaultdict(list)
    for path, text in texts:
        for depth in range(1, min(len(path), MAX_NESTING) + 1):
            siblings[path[:-depth]].append((path, text))
    yield from (group for group in siblings.values() if 1 < len(group) < len(texts))
    if len(texts) <= MAX_PAIRED and sum(len(text) for _, text in texts) <= MAX_PAIRED_CHARACTERS:
        pairs = itertools.permutations(texts, 2) if len(texts) > 2 else [texts[::-1]]
        yield from ([one, other] for one, other in pairs)


def _across(texts: list[_Named]) -> Iterator[Sighting]:
    ends = list(itertools.accumulate(len(text) for _, text in texts))
    for finding in scan("".join(text for _, text in texts), _SPLIT_CATEGORIES, deep=True):
        parts = list(_parts(finding, texts, ends))
        if len(parts) > 1 and (finding.category == "secret" or all(_number(texts, path) for path, _, _ in parts)):
            for path, start, end in parts:
                yield Sighting(path, start, end, finding.detector, finding.category, "split")


def _parts(finding: Finding, texts: list[_Named], ends: list[int]) -> Iterator[tuple[Path, int, int]]:
    begin = 0
    for (path, _), stop in zip(texts, ends, strict=True):
        start, end = max(finding.start, begin), min(finding.end, stop)
        if start < end:
            yield path, start - begin, end - begin
        begin = stop


def _number(texts: list[_Named], path: Path) -> bool:
    """Numbers that stand side by side by chance are no card, unless each is a group of digits as cards have them."""
    return any(_DIGITS.fullmatch(text) is not None for other, text in texts if other == path)


def _texts(value: Any, path: Path) -> Iterator[_Text]:
    """Every text with its path, keys before their values; numbers as they would be written. Depth: the parsers'."""
    if isinstance(value, str):
        yield _text(path, value, in_key=False)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield _text((*path, str(key)), str(key), in_key=True)
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield _text(path, str(value), in_key=False)


def _text(path: Path, text: str, *, in_key: bool) -> _Text:
    return _Text(path, text, in_key, _named(text, path, in_key=in_key))
