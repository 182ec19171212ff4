"""Takes out of an event's data what is somebody's, and puts it back: to a program that may read it, data is whole."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any

from .registry import EACH, ContentPlace, event_type

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Said:
    """A content that is to be sent apart from its event's data."""

    name: str
    media_type: str
    data: bytes


def split(kind: str, data: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Said]]:
    """The data that may stand in the clear, and the contents. `data` itself is left as it is.

    The same data gives the same bytes. What is null or absent is no content. ValueError for a value that JSON does
    not carry.
    """
    known = event_type(kind)
    said: list[Said] = []
    for place in known.contents if known is not None else ():
        if len(place.path) == 1:
            value = data.get(place.path[0])
            if value is not None:
                data = {name: kept for name, kept in data.items() if name != place.path[0]}
                said.append(_said(place, value))
        elif any(value is not None for value in _values(data, place.path)):
            bare = copy.deepcopy(dict(data))
            values = [holder.pop(place.path[-1], None) for holder in _holders(bare, place.path)]
            data = bare
            said.append(_said(place, values if EACH in place.path else values[0]))
    return data, said


def joined(kind: str, data: Mapping[str, Any], contents: Mapping[str, bytes]) -> dict[str, Any]:
    """The data with the contents in their places; what was erased stays absent.

    ValueError for a content that is not what its type says.
    """
    known = event_type(kind)
    whole = copy.deepcopy(dict(data))
    for place in known.contents if known is not None else ():
        if place.name in contents:
            _put_back(whole, place, contents[place.name])
    return whole


def _put_back(whole: dict[str, Any], place: ContentPlace, content: bytes) -> None:
    value = content.decode() if place.media_type and EACH not in place.path else json.loads(content)
    holders = list(_holders(whole, place.path))
    values = value if EACH in place.path else [value]
    if not isinstance(values, list) or len(values) != len(holders):
        raise ValueError(f"content {place.name} has not as many values as its event has places for them")
    for holder, one in zip(holders, values, strict=True):
        if one is not None:
            holder[place.path[-1]] = one


def _said(place: ContentPlace, value: Any) -> Said:
    if place.media_type and isinstance(value, str):
        return Said(place.name, place.media_type, value.encode())
    # Sorted, so that the same value said again is the same content.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return Said(place.name, JSON, text.encode())


def _values(data: Any, path: tuple[str, ...]) -> Iterator[Any]:
    return (holder.get(path[-1]) for holder in _holders(data, path))


def _holders(data: Any, path: tuple[str, ...]) -> Iterator[MutableMapping[str, Any]]:
    """The objects that hold the last member of a path, in the order of the data."""
    if len(path) == 1:
        if isinstance(data, MutableMapping):
            yield data
    elif path[0] == EACH:
        for inner in data if isinstance(data, MutableSequence) else ():
            yield from _holders(inner, path[1:])
    elif isinstance(data, Mapping):
        yield from _holders(data.get(path[0]), path[1:])
