"""The types of audit events, out of the JSON Schemas (draft 2020-12) beside this module: one file a type.

A schema describes an event's whole data. What is marked with the keyword `x-amas-content` is somebody's data: it is
sent as a content of that name and never stands in the clear. A schema is open: members may be added to a type, and a
reader that meets one it does not know lets it be; what is there never gets another meaning.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jsonschema_rs

MARK = "x-amas-content"
# Stands in a path for every element of an array.
EACH = "*"
# Characters of a problem's text.
MAX_PROBLEM = 300


@dataclass(frozen=True)
class ContentPlace:
    """A part of the data that is somebody's: the content's name, and where in the data it belongs."""

    name: str
    path: tuple[str, ...]
    # Of text that is kept as it is; "": a JSON value.
    media_type: str = ""


@dataclass(frozen=True)
class EventType:
    """A registered type."""

    name: str
    description: str
    contents: tuple[ContentPlace, ...]
    _whole: jsonschema_rs.Draft202012Validator
    _bare: jsonschema_rs.Draft202012Validator

    def problem(self, data: Mapping[str, Any]) -> str:
        """What is wrong with an event's whole data, contents included; "" if it fits."""
        return _problem(self._whole, data)

    def problem_of_bare(self, data: Mapping[str, Any]) -> str:
        """What is wrong with data whose contents were taken out; it must not hold any of them."""
        return _problem(self._bare, data)


def event_type(name: str) -> EventType | None:
    """The type of that name, or None if nobody registered it."""
    return _registry().get(name)


def event_types() -> Mapping[str, EventType]:
    """All types by name."""
    return _registry()


def misfit(name: str, data: Mapping[str, Any]) -> str:
    """What is wrong with an event of the type `name` whose whole data is this; "" if it may be sent."""
    kind = event_type(name)
    return f"{name} is no registered type" if kind is None else kind.problem(data)


def misfit_as_sent(name: str, data: Mapping[str, Any], contents: Iterable[str]) -> tuple[str, str] | None:
    """As `misfit`, of an event as it is sent: its data, and the names of its contents. The field, and the problem."""
    kind = event_type(name)
    if kind is None:
        return "type", "is no type that the registry of events has"
    known = {place.name for place in kind.contents}
    for number, content in enumerate(contents):
        if content not in known:
            return f"contents[{number}].name", f"is no content of {name}"
    problem = kind.problem_of_bare(data)
    return ("data_json", problem) if problem else None


@functools.cache
def _registry() -> Mapping[str, EventType]:
    found = (json.loads(file.read_text()) for file in files(__package__).joinpath("schemas").iterdir())
    types = (_event_type(schema) for schema in found)
    return {made.name: made for made in sorted(types, key=lambda one: one.name)}


def _event_type(schema: dict[str, Any]) -> EventType:
    return EventType(
        name=schema["title"],
        description=schema["description"],
        contents=tuple(_places(schema, schema, ())),
        _whole=jsonschema_rs.Draft202012Validator(schema),
        _bare=jsonschema_rs.Draft202012Validator(_without_contents(schema)),
    )


def _places(root: dict[str, Any], schema: Any, path: tuple[str, ...]) -> Iterator[ContentPlace]:
    if not isinstance(schema, dict):
        return
    if MARK in schema:
        yield ContentPlace(schema[MARK], path, schema.get("contentMediaType", ""))
        return
    if "$ref" in schema:
        yield from _places(root, root["$defs"][schema["$ref"].rpartition("/")[2]], path)
    for name, inner in schema.get("properties", {}).items():
        yield from _places(root, inner, (*path, name))
    if "items" in schema:
        yield from _places(root, schema["items"], (*path, EACH))


def _without_contents(schema: Any) -> Any:
    """The schema of the data that stands in the clear: in place of a content there may be null, or nothing."""
    if isinstance(schema, list):
        return [_without_contents(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if MARK in schema:
        return {"type": "null"}
    return {name: _without_contents(inner) for name, inner in schema.items()}


def _problem(validator: jsonschema_rs.Draft202012Validator, data: Mapping[str, Any]) -> str:
    if validator.is_valid(data):
        return ""
    error = next(validator.iter_errors(data))
    where = "/".join(str(step) for step in error.instance_path)
    # The masked message: a value may be a secret.
    return f"{where or 'the object'}: {_masked(error)}"[:MAX_PROBLEM]


def _masked(error: jsonschema_rs.ValidationError) -> str:
    return f"breaks {'/'.join(str(step) for step in error.schema_path)} of its type's schema"
