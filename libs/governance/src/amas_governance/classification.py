"""Marks for data: what a field or a function's value is, said where it is declared, and read from there as a label.

A mark only ever raises a label. It stands in `Annotated[...]`, on a class or on a function, and goes into the JSON
Schema as `x-amas-classification`, so that a contract says the same as the code. A text that is marked secret does not
show in `repr`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .labels import Confidentiality, Integrity, Label, join_all
from .schema_labels import KEYWORD, read_mark, write_mark

_MARK = "__amas_classification__"
_ModelClass = TypeVar("_ModelClass", bound=type[BaseModel])


class SecretText(str):
    """A text whose `repr` says nothing, so that no traceback, log or model shows it; `str` gives it to who uses it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[secret]'"


@dataclass(frozen=True)
class Classification:
    """What marked data is. Use `PII`, `PHI`, `PCI`, `SECRET`, or this for a confidentiality alone."""

    label: Label

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wraps a secret text, so that it never shows by accident; other marks leave the value as it is."""
        schema = handler(source)
        if "secret" not in self.label.categories:
            return schema
        if source is not str:
            raise TypeError("SECRET marks a text: Annotated[str, SECRET()]")
        return core_schema.no_info_after_validator_function(SecretText, schema)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema with the mark in it, joined with one that is there already."""
        return _marked(handler(schema), self.label)


def _marked(schema: JsonSchemaValue, label: Label) -> JsonSchemaValue:
    present = read_mark(schema[KEYWORD]) if KEYWORD in schema else Label.LOWEST
    return {**schema, KEYWORD: write_mark(present.join(label))}


def _category(name: str, usual: Confidentiality) -> typing.Callable[..., Classification]:
    def mark(confidentiality: Confidentiality = usual) -> Classification:
        return Classification(Label(confidentiality, frozenset({name})))

    mark.__name__ = mark.__qualname__ = name.upper()
    mark.__doc__ = f"Marks data of the category `{name}`; {usual.label} unless it says otherwise."
    return mark


PII = _category("pii", Confidentiality.CONFIDENTIAL)
PHI = _category("phi", Confidentiality.RESTRICTED)
PCI = _category("pci", Confidentiality.RESTRICTED)
SECRET = _category("secret", Confidentiality.RESTRICTED)
UNTRUSTED = Classification(Label(integrity=Integrity.UNTRUSTED))
"""Marks what somebody outside wrote: a ticket's text, a page, a mail."""


def mark_model(model: _ModelClass, label: Label) -> _ModelClass:
    """Marks a whole model class: every instance carries the label, whatever its fields say."""
    setattr(model, _MARK, label.join(getattr(model, _MARK, Label.LOWEST)))
    inherited = model.__get_pydantic_json_schema__.__func__  # type: ignore[attr-defined]  # a classmethod has one

    def with_mark(cls: type[BaseModel], schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = inherited(cls, schema, handler)
        resolved = handler.resolve_ref_schema(described)
        resolved.update(_marked(resolved, getattr(cls, _MARK)))
        return described  # type: ignore[no-any-return]  # inherited answers what it was given

    model.__get_pydantic_json_schema__ = classmethod(with_mark)  # type: ignore[assignment]
    model.model_rebuild(force=True)
    return model


def label_of(value: Any, annotation: Any = None) -> Label:
    """The label of a value: joined from the marks of its model's fields, and of `annotation` where one is given.

    What is absent (None) carries nothing; of a union, the marks of all its members count.
    """
    return join_all(_labels(value, annotation))


def _labels(value: Any, annotation: Any) -> Iterator[Label]:
    if value is None:
        return
    marks, inner = _unwrapped(annotation)
    yield from marks
    if isinstance(value, BaseModel):
        yield from _of_model(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value), include_extras=True)
        for field in dataclasses.fields(value):
            yield from _labels(getattr(value, field.name), hints[field.name])
    elif isinstance(value, Mapping):
        kinds = [pair for outer in inner if len(pair := typing.get_args(outer)) == 2] or [(None, None)]
        for key, part in value.items():
            for of_key, of_value in kinds:
                yield from _labels(key, of_key)
                yield from _labels(part, of_value)
    elif isinstance(value, list | tuple | set | frozenset):
        members = [kind for outer in inner for kind in typing.get_args(outer) if kind is not ...] or [None]
        for part in value:
            for kind in members:
                yield from _labels(part, kind)


def _of_model(value: BaseModel) -> Iterator[Label]:
    yield getattr(type(value), _MARK, Label.LOWEST)
    for name, field in type(value).model_fields.items():
        part = getattr(value, name)
        if part is not None:
            yield from (mark.label for mark in field.metadata if isinstance(mark, Classification))
            yield from _labels(part, field.annotation)
    for part in (value.model_extra or {}).values():
        yield from _labels(part, None)


def _unwrapped(annotation: Any) -> tuple[list[Label], list[Any]]:
    """The marks around a type, and the types that a union of them has."""
    marks: list[Label] = []
    types: list[Any] = []
    pending = [annotation]
    while pending:
        kind = pending.pop()
        origin = typing.get_origin(kind)
        if origin is typing.Annotated:
            pending.append(kind.__origin__)
            marks += [mark.label for mark in kind.__metadata__ if isinstance(mark, Classification)]
        elif origin is typing.Union or origin is UnionType:
            pending.extend(typing.get_args(kind))
        elif (alias := getattr(kind, "__value__", None)) is not None:
            pending.append(alias)
        elif kind is not None and kind is not type(None):
            types.append(kind)
    return marks, types
