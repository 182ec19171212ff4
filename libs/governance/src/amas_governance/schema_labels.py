"""Classification inside JSON Schemas: the keyword `x-amas-classification`, and the label of a value under a schema.

A schema only raises: a mark counts wherever it could apply. Of `anyOf`, `oneOf` and `if` all branches count, and what
is said of an object counts for all of it. Pure; values are walked as deep as their own parser allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .labels import Confidentiality, Integrity, Label, join_all

KEYWORD = "x-amas-classification"
MAX_NODES = 200_000
"""Pairs of schema and value that are looked at; a value with more carries all that the schema marks."""

_MEMBERS = frozenset({"confidentiality", "categories", "integrity"})
_BRANCHES = ("allOf", "anyOf", "oneOf")
_ALTERNATIVES = (
    "if",
    "then",
    "else",
    "dependentSchemas",
    "not",
    "contains",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs")
_OPEN = ("additionalProperties", "patternProperties", "propertyNames")


def read_mark(value: Any) -> Label:
    """The label that a mark means; raises ValueError that says what is wrong with it."""
    if not isinstance(value, Mapping) or not value or not set(value) <= _MEMBERS:
        raise ValueError(f"{KEYWORD} holds confidentiality, categories and integrity, and at least one of them")
    categories = value.get("categories", [])
    if not isinstance(categories, list) or not all(isinstance(name, str) for name in categories):
        raise ValueError(f"{KEYWORD}: categories is a list of names")
    try:
        return Label(
            Confidentiality.parse(value.get("confidentiality", "public")),
            frozenset(categories),
            Integrity(value.get("integrity", "trusted")),
        )
    except ValueError as error:
        raise ValueError(f"{KEYWORD}: {error}") from error


def write_mark(label: Label) -> dict[str, Any]:
    """The mark that means the label."""
    return label.to_dict()


def check_marks(schema: Any) -> None:
    """Raises ValueError for a mark that means nothing: a misspelt one would classify nothing."""
    for mark in _marks(schema):
        read_mark(mark)


def schema_label(schema: Any) -> Label:
    """Join of all marks in a schema: what a value under it carries at most."""
    return join_all(read_mark(mark) for mark in _marks(schema))


def value_label(schema: Any, value: Any) -> Label:
    """The label that the schema gives to the value: the marks of what is there."""
    if not any(True for _ in _marks(schema)):
        return Label.LOWEST
    label, seen = Label.LOWEST, 0
    pending: list[tuple[Any, Any, frozenset[str]]] = [(schema, value, frozenset())]
    while pending:
        part, held, passed = pending.pop()
        seen += 1
        if seen > MAX_NODES:
            return schema_label(schema)
        if not isinstance(part, Mapping) or held is None:
            continue
        if KEYWORD in part:
            label = label.join(read_mark(part[KEYWORD]))
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in passed:
            pending.append((_resolved(schema, reference), held, passed | {reference}))
        pending.extend((child, held, passed) for child in _alternatives(part))
        pending.extend((child, inner, frozenset()) for child, inner in _below(part, held))
    return label


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Schemas that speak of the same value. What may or may not apply counts as if it did."""
    for key in _BRANCHES:
        found = schema.get(key)
        yield from found if isinstance(found, list) else ()
    for key in _ALTERNATIVES:
        if key in schema:
            yield (
                {"allOf": list(schema[key].values())} if key == "dependentSchemas" else {KEYWORD: _all_of(schema[key])}
            )


def _all_of(schema: Any) -> dict[str, Any]:
    return write_mark(schema_label(schema))


def _below(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    """Schemas of the parts of an object or a list, with the parts."""
    if isinstance(value, Mapping):
        properties = schema.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        for name, part in value.items():
            if name in known:
                yield known[name], part
            for key in _OPEN:
                if key in schema:
                    yield {KEYWORD: _all_of(schema[key])}, part
    elif isinstance(value, list | tuple):
        prefix = schema.get("prefixItems")
        first = prefix if isinstance(prefix, list) else []
        for index, part in enumerate(value):
            if index < len(first):
                yield first[index], part
            elif "items" in schema:
                yield schema["items"], part


def _resolved(schema: Any, reference: str) -> Any:
    """What a reference into the same document leads to; for any other, all that the document marks."""
    part = schema
    if reference.startswith("#"):
        for name in reference[1:].split("/")[1:]:
            key = name.replace("~1", "/").replace("~0", "~")
            part = part.get(key) if isinstance(part, Mapping) else None
        if part is not None:
            return part
    return {KEYWORD: _all_of(schema)}


def _marks(schema: Any) -> Iterator[Any]:
    """Every mark in a document. A property of that very name is none: its schema is found below `properties`."""
    pending: list[tuple[Any, bool]] = [(schema, False)]
    while pending:
        part, names = pending.pop()
        if isinstance(part, Mapping):
            for key, child in part.items():
                if key == KEYWORD and not names:
                    yield child
                elif key not in ("const", "enum", "default", "examples") or names:
                    pending.append((child, not names and key in _NAMED))
        elif isinstance(part, list):
            pending.extend((child, False) for child in part)
