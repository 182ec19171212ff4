"""What a model answered and what an end gave, held against each other by value rather than by the texts in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from amas_governance.canonical import JsonRefused, canonical_json, digest

from .handing import Fields
from .values import MIN_LENGTH


def asked_for(response: Any) -> Iterator[str]:
    """Digests of the arguments of each tool call that a model's answer asks for."""
    try:
        for message in _messages(response):
            for call in message.get("tool_calls") or ():
                yield digest(json.loads(call["function"]["arguments"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def answered(response: Any, value: Any) -> bool:
    """Whether a model's answer is that value, alone or between the fences of a code block."""
    try:
        wanted = canonical_json(value)
        return any(canonical_json(json.loads(_unfenced(one["content"]))) == wanted for one in _messages(response))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def telling(value: Any) -> bool:
    """Whether finding the very same value again says something: `true` and `[]` are everywhere."""
    try:
        return len(canonical_json(value)) >= MIN_LENGTH
    except JsonRefused:
        return False


def named(value: Any) -> set[str]:
    """The digest of a value; none of one that has no canonical form."""
    try:
        return {digest(value)}
    except JsonRefused:
        return set()


def same(source: Mapping[str, Any], target: Mapping[str, Any], fields: Fields) -> Fields:
    """Those pairs of places whose values are equal."""
    return tuple(pair for pair in fields if _at(source, pair[0]) == _at(target, pair[1]) != [])


def _at(values: Mapping[str, Any], place: str) -> list[Any]:
    """The value at a place (`/output/commits/0`), in a list; an empty list if there is none."""
    found: Any = values
    for part in place.split("/")[1:]:
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return []
    return [found]


def _messages(response: Any) -> Iterator[Any]:
    body = json.loads(response) if isinstance(response, str) else {}
    return (choice.get("message") or {} for choice in body.get("choices") or ())


def _unfenced(text: str) -> str:
    lines = text.strip().splitlines()
    fenced = len(lines) > 1 and lines[0].startswith("```") and lines[-1] == "```"
    return "\n".join(lines[1:-1]) if fenced else text
