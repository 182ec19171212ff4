"""Contracts as users write them, arguments as attackers write them, and a second opinion on whether they fit.

The opinion comes from `jsonschema`, another implementation than the one under test, with our two keywords written a
second time over the standard library.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
from hypothesis import strategies as st

NAMES = ("path", "url", "message", "count", "flag", "files", "to")
PREFIXES = ("docs", "notes/2026", "/srv")
HOSTS = ("example.com", "*.example.org", "internal:8443")
_PORTS = {"http": 80, "https": 443}

ODD_TEXTS = (
    *(
        "",
        "docs/a.md",
        "docs",
        "docs/../etc",
        "docs//a",
        "/srv/a",
        "/etc/passwd",
        "docs%2f..%2f..%2fetc",
        "docs\\..\\x",
    ),
    *("https://example.com/", "http://a.example.org", "https://internal:8443/", "http://169.254.169.254/", "1", "true"),
    *("https://example.com@evil.test", "https://evil.test/?u=example.com", "docs: notes", "docs: notes\n", "null"),
    *("DOCS: x", "\u202edocs", "docs/\uff0e\uff0e/x", "a" * 300, "\x00", "é", "e\u0301", "\U0001f600" * 3, "\ud800"),
)
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(max_size=12)
NUMBERS = st.sampled_from([0, 1, -1, 1.0, 1.5, 10, 100, 2**53 - 1, 2**53, -(2**53), 1e308, 10**30, 0.1, -0.0, 1e-320])
SCALARS = TEXTS | NUMBERS | st.booleans() | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


def _string_schemas() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("string"),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(0, 40),
            "pattern": st.sampled_from(["^docs: ", "^[a-z/.]+$", "md", "^https:", "^\\d+$"]),
            "enum": st.lists(SCALARS.filter(_storable), min_size=1, max_size=4, unique_by=json.dumps),
            "const": SCALARS.filter(_storable),
            "pathPrefixes": st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3, unique=True),
            "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True),
        },
    )


def _number_schemas() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", ["integer", "null"]])},
        optional={
            "minimum": st.integers(-2, 2),
            "maximum": st.integers(0, 100),
            "multipleOf": st.sampled_from([1, 2, 5]),
        },
    )


def _composed(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.fixed_dictionaries(
        {"type": st.just("array"), "items": inner},
        optional={"minItems": st.integers(0, 2), "maxItems": st.integers(0, 3), "uniqueItems": st.booleans()},
    )
    return lists | objects(inner) | st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts})


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of objects whose properties have schemas of `inner`."""
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)},
        optional={
            "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "propertyNames": st.just({"maxLength": 6}),
            "not": st.just({"required": ["flag"]}),
            "dependentRequired": st.just({"to": ["message"]}),
        },
    )


def _storable(value: Any) -> bool:
    """Whether a resource could hold it: exact numbers and whole characters."""
    if isinstance(value, str):
        return "\ud800" not in value
    return not isinstance(value, float | int) or isinstance(value, bool) or abs(value) < 2**53


SCHEMAS = objects(
    st.recursive(_string_schemas() | _number_schemas() | st.just({"type": "boolean"}), _composed, max_leaves=6)
)
"""Of the arguments of a tool, or of a grant that narrows them."""


@st.composite
def _near(draw: st.DrawFn, schema: Mapping[str, Any]) -> Any:
    """A value that may well satisfy the schema, or miss it by little."""
    if "anyOf" in schema:
        return draw(_near(draw(st.sampled_from(schema["anyOf"]))))
    kind = schema.get("type", "string")
    if kind == "object":
        wanted = {*schema.get("required", ()), *draw(st.sets(st.sampled_from(NAMES), max_size=3))}
        inner = schema["properties"]
        return {name: draw(_near(inner[name]) if name in inner else VALUES) for name in sorted(wanted)}
    if kind == "array":
        return draw(st.lists(_near(schema["items"]), max_size=3))
    if kind == "string":
        fitting = [text for text in ODD_TEXTS if "\ud800" not in text and allows(schema, text)]
        return draw(st.sampled_from(fitting)) if fitting else draw(SCALARS)
    return draw(st.booleans() if kind == "boolean" else st.integers(0, 10) | NUMBERS)


@st.composite
def argument_texts(draw: st.DrawFn, schema: Mapping[str, Any] | None = None) -> str:
    """What a model may send as arguments: JSON of all kinds, JSON that two readers read differently, and no JSON.

    With a schema, three of four are near to what it asks for.
    """
    value = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4) | VALUES)
    if schema is not None and draw(st.integers(0, 3)):
        value = draw(_near(schema))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    trick = draw(st.sampled_from(["", "", "", "", "twice", "escaped", "deep", "huge", "tail", "nan", "comment", "cut"]))
    if trick == "twice" and text.startswith('{"'):
        return f'{{"{draw(st.sampled_from(NAMES))}": {json.dumps(draw(SCALARS))}, {text[1:]}'
    if trick == "escaped":
        return text.replace('"path"', '"p\\u0061th"').replace("docs", "d\\u006fcs")
    return {
        "deep": text.replace("1", "[" * 90 + "]" * 90),
        "huge": text.replace("1", "1" + "0" * 400),
        "tail": f"{text} {text}",
        "nan": text.replace("1", "NaN"),
        "comment": f"/* */{text}",
        "cut": text[: len(text) // 2],
    }.get(trick, text)


def strictly(text: str) -> Any:
    """The value of a JSON text in which no key stands twice; raises ValueError for anything else."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def no_constant(name: str) -> Any:
        raise ValueError(name)

    return json.loads(text, object_pairs_hook=once, parse_constant=no_constant)


def allows(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the other implementation finds nothing wrong."""
    return bool(_Oracle(schema).is_valid(value))


def _within(text: str, prefix: str) -> bool:
    wanted, opened = (posixpath.normpath(posixpath.join("/work", part)) for part in (prefix, text))
    return f"{opened}/".startswith(f"{wanted}/")


def _path_prefixes(_: Any, prefixes: list[str], value: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    readings = {value, unquote(value), value.replace("\\", "/")} if isinstance(value, str) and value else set()
    if not readings or not all(any(_within(reading, prefix) for prefix in prefixes) for reading in readings):
        yield jsonschema.ValidationError("outside")


def _hosts(_: Any, hosts: list[str], value: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    try:
        parts = urlsplit(value)
        port = parts.port or _PORTS[parts.scheme]
        plain = parts.username is None and "\\" not in value and value == value.strip()
    except (ValueError, KeyError, AttributeError, TypeError):
        plain, port, parts = False, 0, urlsplit("")
    if not plain or not any(_is_host(str(parts.hostname), port, parts.scheme, host) for host in hosts):
        yield jsonschema.ValidationError("elsewhere")


def _is_host(name: str, port: int, scheme: str, entry: str) -> bool:
    wanted, _, wanted_port = entry.partition(":")
    named = name.endswith(wanted[1:]) if wanted.startswith("*") else name == wanted
    return named and port == int(wanted_port or _PORTS[scheme])


_Oracle = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"pathPrefixes": _path_prefixes, "hosts": _hosts}
)
