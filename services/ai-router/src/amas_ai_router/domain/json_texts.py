"""Finds and rewrites the texts of a JSON value: keys, values, and the JSON inside of tool-call arguments.

A text is seen in its decoded form, so that no escape (`\\u0041`) hides anything, and what is put back is encoded again,
so that arguments stay valid JSON. A change gets the key a text stands under, since some secrets are only known by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson

# Deeper JSON is no request or answer of any API, and would exhaust the stack.
MAX_DEPTH = 128
# Keys whose text is JSON itself: arguments of function calls.
JSON_KEYS = frozenset({"arguments"})


class _RepeatedKeyError(ValueError):
    """Two members of one object have the same name."""


Change = Callable[[str, str], str]
"""Key and text to text."""

_ESCAPE = re.compile(r'\\(u[0-9A-Fa-f]{4}|["\\/bfnrt])')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class TooDeepError(ValueError):
    """The value is nested deeper than MAX_DEPTH."""


def rewritten(value: Any, change: Change, key: str = "", depth: int = 0) -> Any:
    """The value with every text changed; the value itself where nothing was. Raises TooDeepError."""
    if isinstance(value, str):
        text = rewritten_json(value, change) if key in JSON_KEYS else change(key, value)
        return value if text == value else text
    if isinstance(value, dict):
        _check(depth)
        fresh = {change("", name): rewritten(item, change, name, depth + 1) for name, item in value.items()}
        same = len(fresh) == len(value) and all(name in fresh and fresh[name] is item for name, item in value.items())
        return value if same else fresh
    if isinstance(value, list):
        _check(depth)
        items = [rewritten(item, change, key, depth + 1) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def rewritten_json(text: str, change: Change) -> str:
    """A text that holds JSON. What is no JSON (cut off, say) is changed as it is and, if need be, decoded."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        changed = change("", text)
        plain = unescaped(text)
        decoded = change("", plain)
        return decoded if changed == text and decoded != plain else changed
    if _repeats_a_key(text):
        # Only the last of such members was parsed: one that was not judged must not go on, since others take the first.
        text = orjson.dumps(value).decode()
    fresh = rewritten(value, change)
    return text if fresh is value or fresh == value else orjson.dumps(fresh).decode()


def _repeats_a_key(text: str) -> bool:
    """Whether an object in the text has two members of one name. Raises TooDeepError."""
    try:
        # Numbers stay text: the longest would be refused.
        json.loads(text, object_pairs_hook=_members, parse_int=str, parse_float=str)
    except _RepeatedKeyError:
        return True
    except RecursionError as error:
        raise TooDeepError("nested too deep to be read") from error
    return False


def _members(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _RepeatedKeyError


def joined(value: Any) -> str:
    """All texts of a value in one, each after its key, far enough apart that nothing is found across two of them."""
    texts: list[str] = []
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, str):
            if key in JSON_KEYS and "\\" in item:
                item = unescaped(item)
            texts.append(f"{key}={item}")
        elif isinstance(item, dict):
            waiting += item.items()
        elif isinstance(item, list):
            waiting += [(key, part) for part in item]
    return "\n\n\n\n\n".join(texts)


def unescaped(text: str) -> str:
    """JSON's escapes (RFC 8259 section 7) taken out, also where the whole is no JSON."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    escape = match[1]
    if escape[0] != "u":
        return _SHORT.get(escape, escape)
    code = int(escape[1:], 16)
    # Halves of surrogate pairs are no characters of their own.
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _check(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TooDeepError(f"nested deeper than {MAX_DEPTH}")
