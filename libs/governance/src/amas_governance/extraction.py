"""Constrained extraction: outputs too narrow for a sentence, so that reading untrusted content need not taint the rest.

A role that says `data.extraction: constrained` answers only enumerations, numbers within bounds, booleans, dates, and
identifiers that were trusted before. Whoever controls what the role reads then controls a choice among those and
nothing else, and that choice is bounded in bits. The schema and the value decide; a model's word never does.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from typing import Any

from .problems import field_path
from .provenance import MAX_VALUES, TrustedValues

FROM_TRUSTED = "x-amas-from-trusted"
"""Keyword of a text or whole number that must be one of the trusted values of the role's context."""
MAX_BITS = 256.0
"""What an output may carry at most: the choice that an attacker has is no longer than 32 characters could say."""
MAX_DEPTH = 8
MAX_ENUM_TEXT = 200
"""Characters of a text in an enumeration: the author's words, yet shown to the next model."""

_DAYS = float(3_652_059)  # from 0001-01-01 to 9999-12-31
_Path = tuple[str | int, ...]
_ANNOTATIONS = frozenset({"title", "description", "x-amas-classification"})


class NotConstrained(ValueError):  # noqa: N818 - says what happened
    """The schema leaves room for more than an extraction may say; `path` leads to that part of it."""

    def __init__(self, path: _Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def check_constrained(schema: Mapping[str, Any]) -> float:
    """Bits that an output under the schema can carry; raises NotConstrained if it is not bounded as agreed."""
    bits = _bits(schema, (), 0)
    if bits > MAX_BITS:
        raise NotConstrained((), f"the output could carry {bits:.0f} bits, and an extraction at most {MAX_BITS:.0f}")
    return bits


def breaches(schema: Mapping[str, Any], value: Any, trusted: TrustedValues) -> list[str]:
    """What in `value`, which satisfies the schema, is no extraction all the same; never repeats a value."""
    found: list[str] = []
    for path, part, held in _leaves(schema, value, ()):
        if part.get(FROM_TRUSTED) is True and held not in trusted:
            found.append(f"{field_path(path) or 'the output'} is no value from trusted input")
        elif part.get("format") == "date" and FROM_TRUSTED not in part and not _is_plain_date(held):
            found.append(f"{field_path(path) or 'the output'} is no date such as 2026-11-28")
    return found


def uses_keyword(schema: Any) -> bool:
    """Whether a schema says of anything that it stems from trusted input."""
    if isinstance(schema, Mapping):
        return FROM_TRUSTED in schema or any(uses_keyword(part) for part in schema.values())
    return isinstance(schema, list) and any(uses_keyword(part) for part in schema)


def _bits(schema: Any, path: _Path, depth: int) -> float:
    if not isinstance(schema, Mapping):
        raise NotConstrained(path, "expected a schema that says what may stand here")
    if depth > MAX_DEPTH:
        raise NotConstrained(path, f"an extraction is nested at most {MAX_DEPTH} levels deep")
    if "const" in schema or "enum" in schema:
        return _enumeration(schema, path)
    kind = schema.get("type")
    if schema.get(FROM_TRUSTED) is True:
        _only(schema, path, {"type", FROM_TRUSTED, "pattern", "minLength", "maxLength", "minimum", "maximum", "format"})
        if kind not in ("string", "integer"):
            raise NotConstrained(path, "an identifier is a text or a whole number")
        return math.log2(MAX_VALUES)
    match kind:
        case "boolean":
            _only(schema, path, {"type"})
            return 1.0
        case "null":
            _only(schema, path, {"type"})
            return 0.0
        case "integer":
            return _integer(schema, path)
        case "string":
            return _date(schema, path)
        case "array":
            return _array(schema, path, depth)
        case "object":
            return _object(schema, path, depth)
    raise NotConstrained(
        path, "expected an enumeration, a whole number, a boolean, a date, or a list or object of these"
    )


def _enumeration(schema: Mapping[str, Any], path: _Path) -> float:
    _only(schema, path, {"type", "const", "enum"})
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    for value in values:
        if not (value is None or isinstance(value, str | int | float)):
            raise NotConstrained(path, "an enumeration of an extraction has plain values")
        if isinstance(value, str) and len(value) > MAX_ENUM_TEXT:
            raise NotConstrained(path, f"a value of an enumeration has at most {MAX_ENUM_TEXT} characters")
    return math.log2(max(1, len(values)))


def _integer(schema: Mapping[str, Any], path: _Path) -> float:
    _only(schema, path, {"type", "minimum", "maximum", "multipleOf"})
    low, high = schema.get("minimum"), schema.get("maximum")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        raise NotConstrained(path, "a whole number needs minimum and maximum")
    return math.log2(max(1.0, high - low + 1))


def _date(schema: Mapping[str, Any], path: _Path) -> float:
    _only(schema, path, {"type", "format"})
    if schema.get("format") != "date":
        raise NotConstrained(path, f"a text needs an enumeration, `format: date` or `{FROM_TRUSTED}: true`")
    return math.log2(_DAYS)


def _array(schema: Mapping[str, Any], path: _Path, depth: int) -> float:
    _only(schema, path, {"type", "items", "minItems", "maxItems", "uniqueItems"})
    most = schema.get("maxItems")
    if not isinstance(most, int):
        raise NotConstrained(path, "a list needs maxItems")
    return most * _bits(schema.get("items"), (*path, "items"), depth + 1) + math.log2(most + 1)


def _object(schema: Mapping[str, Any], path: _Path, depth: int) -> float:
    _only(schema, path, {"type", "properties", "required", "additionalProperties"})
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or schema.get("additionalProperties") is not False:
        raise NotConstrained(path, "an object needs properties, and additionalProperties: false")
    required = schema.get("required") or ()
    bits = float(sum(name not in required for name in properties))
    return bits + sum(_bits(inner, (*path, "properties", name), depth + 1) for name, inner in properties.items())


def _only(schema: Mapping[str, Any], path: _Path, known: set[str]) -> None:
    """A keyword that this module does not weigh could open what it thinks closed."""
    strange = sorted(schema.keys() - known - _ANNOTATIONS - ({"$schema"} if not path else set()))
    if strange:
        raise NotConstrained(path, f"an extraction does not know the keyword {strange[0]} here")


def _leaves(schema: Mapping[str, Any], value: Any, path: _Path) -> Iterator[tuple[_Path, Mapping[str, Any], Any]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(schema["properties"][name], part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(schema["items"], part, (*path, index))
    else:
        yield path, schema, value


def _is_plain_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and value.isascii() and bool(_date_of(value))
    except ValueError:
        return False


_date_of = datetime.date.fromisoformat
