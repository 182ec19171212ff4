"""Our own vocabulary of JSON Schema: `pathPrefixes` and `hosts`, which patterns say badly.

Both stay valid 2020-12: a reader that does not know them takes them for annotations. They may only stand where a value
that breaks them is refused. Under `not`, in a branch or in what is never applied, a tricky value would be let through.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import host_lists, path_prefixes

MAX_ENTRIES = 64
SchemaPath = tuple[str | int, ...]

# Where JSON Schema holds schemas, and how: one, a list of them, or one for each name.
_ONE = ("additionalProperties", "items", "propertyNames", "then", "else", "unevaluatedItems", "unevaluatedProperties")
_LIST = ("allOf", "anyOf", "prefixItems")
_NAMED = ("$defs", "dependentSchemas", "patternProperties", "properties")
# Below these, breaking a keyword would not refuse the value.
_INVERTING = ("not", "if", "oneOf", "contains", "contentSchema")
# Draft 2020-12: core, applicators, validation, and annotations (which are no conditions, and known as such).
_STANDARD = frozenset(
    {*_ONE, *_LIST, *_NAMED, *_INVERTING, "$schema", "$id", "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor"}
    | {"$comment", "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"}
    | {"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"}
    | {"maxProperties", "minProperties", "required", "dependentRequired", "format", "title", "description", "default"}
    | {"deprecated", "readOnly", "writeOnly", "examples", "contentEncoding", "contentMediaType"}
)
_FORMATS = frozenset(
    {"date-time", "date", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri"}
    | {
        "uri-reference",
        "iri",
        "iri-reference",
        "uuid",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
        "regex",
    }
)


@dataclass(frozen=True)
class Keyword:
    """One keyword: how its list is checked, what is wrong with a value, and how it is said in words."""

    check: Callable[[Sequence[str]], None]
    outside: Callable[[object, Sequence[str]], str | None]
    condition: str
    words: Callable[[Sequence[str]], str]

    def phrase(self, entries: Sequence[str]) -> str:
        """`a path under docs or notes`."""
        return self.condition.format(self.words(entries))


KEYWORDS: Mapping[str, Keyword] = {
    "pathPrefixes": Keyword(
        path_prefixes.check_prefixes, path_prefixes.outside_prefixes, "a path under {}", path_prefixes.words
    ),
    "hosts": Keyword(
        host_lists.check_hosts, host_lists.outside_hosts, "an http or https URL of the host {}", host_lists.words
    ),
}


class _Assertion:
    """What the validator calls; one subclass a keyword. An error of any kind is a breach, never a pass."""

    keyword: str

    def __init__(self, _parent: Any, value: Any, _path: Any) -> None:
        check_entries(self.keyword, value)
        self._entries = tuple(value)

    def validate(self, instance: Any) -> None:
        wrong = KEYWORDS[self.keyword].outside(instance, self._entries)
        if wrong is not None:
            raise ValueError(wrong)


ASSERTIONS: dict[str, type] = {name: type(name, (_Assertion,), {"keyword": name}) for name in KEYWORDS}
"""For the `keywords` of a validator."""


def check_entries(keyword: str, value: Any) -> None:
    """Raises ValueError unless the keyword's value is a list of texts that it can use."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"{keyword} is a list of texts")
    if not 1 <= len(value) <= MAX_ENTRIES:
        raise ValueError(f"{keyword} has 1 to {MAX_ENTRIES} entries")
    KEYWORDS[keyword].check(value)


def misused(schema: Mapping[str, Any]) -> tuple[SchemaPath, str] | None:
    """The first wrong use of a keyword with its place; None when each is well formed and stands where it binds."""
    used, referring = False, False
    for part, path, inverted in _parts(schema):
        referring = referring or (inverted is not None and ("$ref" in part or "$dynamicRef" in part))
        for keyword in KEYWORDS.keys() & part.keys():
            used = True
            if inverted is not None:
                return (
                    *path,
                    keyword,
                ), f"{keyword} may not stand below `{inverted}`, where breaking it refuses nothing"
            if part.get("type") not in (None, "string"):
                return (*path, keyword), f"{keyword} is for texts: for a list, put it below `items`"
            try:
                check_entries(keyword, part[keyword])
            except ValueError as error:
                return (*path, keyword), str(error)
    if used and referring:
        return (), "a schema with pathPrefixes or hosts may not use $ref below not, if, oneOf or contains"
    return None


def unknown(schema: Mapping[str, Any]) -> tuple[SchemaPath, str] | None:
    """The first keyword or format that no validator would hold a value against, with its place."""
    for part, path, _ in _parts(schema):
        for keyword in part:
            if keyword not in _STANDARD and keyword not in KEYWORDS and not keyword.startswith("x-"):
                return (*path, keyword), f"unknown keyword of JSON Schema{_close(keyword, (*_STANDARD, *KEYWORDS))}"
        named = part.get("format", "uuid")
        if named not in _FORMATS:
            return (*path, "format"), f"unknown format{_close(str(named), _FORMATS)}"
    return None


def _close(wrong: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.7)
    return f"; did you mean {found[0]}?" if found else ""


def with_words(schema: Any) -> Any:
    """A copy whose descriptions say what the keywords mean, for readers that do not know them, such as models."""
    if isinstance(schema, list):
        return [with_words(entry) for entry in schema]
    if not isinstance(schema, Mapping):
        return schema
    copy = dict(schema)
    for key in (*_ONE, *_LIST):
        if key in copy:
            copy[key] = with_words(copy[key])
    for key in _NAMED:
        if isinstance(copy.get(key), Mapping):
            copy[key] = {name: with_words(inner) for name, inner in copy[key].items()}
    phrases = meanings(schema)
    if phrases:
        said = str(copy.get("description") or "").strip()
        copy["description"] = " ".join([*([said] if said else []), *(f"Must be {phrase}." for phrase in phrases)])
    return copy


def meanings(schema: Mapping[str, Any]) -> list[str]:
    """What the keywords of this very schema ask for, in words."""
    return [KEYWORDS[keyword].phrase(schema[keyword]) for keyword in sorted(KEYWORDS.keys() & schema.keys())]


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], SchemaPath, str | None]]:
    """Each schema within, with its place and the keyword that inverts it, if one does. Without recursion."""
    pending: list[tuple[Any, SchemaPath, str | None]] = [(schema, (), None)]
    while pending:
        part, path, inverted = pending.pop()
        if not isinstance(part, Mapping):
            continue
        yield part, path, inverted
        for key, value in part.items():
            below = inverted or (key if key in _INVERTING else None)
            if key in _ONE or (key in _INVERTING and key != "oneOf"):
                pending.append((value, (*path, key), below))
            elif (key in _LIST or key == "oneOf") and isinstance(value, list):
                pending.extend((inner, (*path, key, index), below) for index, inner in enumerate(value))
            elif key in _NAMED and isinstance(value, Mapping):
                pending.extend((inner, (*path, key, name), below) for name, inner in value.items())
