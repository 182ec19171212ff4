"""Takes sightings out of a JSON value, each replaced by a mark or by what the caller makes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .inspection import Path, Sighting

Make = Callable[[Sighting, str], str]
"""What stands in for a sighting, whose text is given."""


def mark(sighting: Sighting, _text: str) -> str:
    """`[redacted:<detector>]`."""
    return f"[redacted:{sighting.detector}]"


def replace_sightings(value: Any, sightings: Iterable[Sighting], make: Make = mark) -> Any:
    """The value with each sighting replaced; where two overlap, both give way to what is made of the first.

    A number in which something was seen becomes a text. Keys that become the same are told apart by a number.
    """
    at: dict[tuple[Path, bool], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        at[(sighting.path, sighting.in_key)].append(sighting)
    return _rewritten(value, (), at, make) if at else value


def _rewritten(value: Any, path: Path, at: Mapping[tuple[Path, bool], list[Sighting]], make: Make) -> Any:
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for key, item in value.items():
            inner = (*path, str(key))
            name = _replaced(str(key), at.get((inner, True), ()), make)
            result[_free(name, result)] = _rewritten(item, inner, at, make)
        return result
    if isinstance(value, list | tuple):
        return [_rewritten(item, (*path, index), at, make) for index, item in enumerate(value)]
    found = at.get((path, False), ())
    return _replaced(str(value), found, make) if found else value


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    return free


def _replaced(text: str, found: Iterable[Sighting], make: Make) -> str:
    parts: list[str] = []
    at = 0
    for sighting in sorted(found, key=lambda one: (one.start, -one.end)):
        if sighting.start >= at:
            parts += [text[at : sighting.start], make(sighting, text[sighting.start : sighting.end])]
        at = max(at, sighting.end)
    return "".join(parts) + text[at:]
