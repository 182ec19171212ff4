"""The texts in a value, each with its place, and which texts of an earlier value stand word for word in a later one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MIN_LENGTH = 12
"""Characters of a text below which finding it again says nothing: names, numbers and common words are shorter."""
MAX_FIELDS = 20
"""Pairs of places that are named for an edge."""
MAX_DEPTH = 32
"""Levels of JSON that are looked into, JSON inside of texts included."""

_OF_A_MODEL = re.compile(r"/(request/messages|request/tools|request/model|response)(/|$)")
_SAID = re.compile(r"/(messages/\d+|message)/(content|tool_calls/\d+/function/arguments)(/|$)")
"""Of a model call only what was said counts: not the tools on offer, nor names and ids that the protocol repeats."""

Texts = tuple[tuple[str, str], ...]


def texts(values: Mapping[str, Any]) -> Texts:
    """Each text in the values, after its place: `/name/member/0` (JSON Pointer). JSON in a text is looked into.

    Of a chat (OpenAI's form) only what was said and the arguments of tool calls.
    """
    return tuple(_texts(dict(values), "", 0))


def _texts(value: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _texts(inner, f"{place}/{escaped}", depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}/{number}", depth + 1)
    elif isinstance(value, str):
        inside = _inside(value)
        if inside is not None:
            yield from _texts(inside, place, depth + 1)
        elif not _OF_A_MODEL.match(place) or _SAID.search(place):
            yield place, value


def _inside(text: str) -> Any:
    """The object or array that a text is as JSON; None if it is only text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def found_again(earlier: Texts, later: Texts) -> tuple[tuple[str, str], ...]:
    """Pairs of places: a text of the earlier value stands in the later, or the whole of a later one in the earlier."""
    pairs: dict[tuple[str, str], None] = {}
    telling = [(place, text) for place, text in later if len(text.strip()) >= MIN_LENGTH]
    for place, text in earlier:
        if len(text.strip()) < MIN_LENGTH:
            continue
        for other, where in telling:
            shorter, longer = (text, where) if len(text) <= len(where) else (where, text)
            if shorter in longer:
                pairs[place, other] = None
                if len(pairs) == MAX_FIELDS:
                    return tuple(pairs)
    return tuple(pairs)
