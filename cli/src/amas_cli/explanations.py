"""Explains the fields of a resource from the pydantic models: types, defaults and what their authors wrote."""

import inspect
import textwrap
import types
import typing
from typing import Any

from amas_governance.attribute_docstrings import attribute_docstrings
from amas_governance.resources import KINDS
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .errors import CliError
from .exit_codes import ExitCode
from .kinds import parse_kind

WIDTH = 88
NAME_WIDTH = 18


def explanation(path: str) -> list[str]:
    """Lines about `kind` or `kind.field.field`, with camelCase names as in YAML."""
    kind, *names = path.split(".")
    full = parse_kind(kind)
    model: type[BaseModel] | None = KINDS[full]
    text, shape = _docstring(KINDS[full]), "object"
    for number, name in enumerate(names):
        if model is None:
            raise _unknown(".".join([full, *names[:number]]), name, [])
        field_name, field = _field(model, name, ".".join([full, *names[:number]]))
        text = _description(model, field_name, field)
        shape = _shape(field)
        model = _model_of(field.annotation)
        if not text and model is not None:
            text = _docstring(model)
    lines = [f"{'.'.join([full, *names])}  <{shape}>", *textwrap.wrap(text, WIDTH)]
    if model is not None:
        lines += ["", "fields:", *(_field_line(model, name, field) for name, field in model.model_fields.items())]
    return lines


def _field(model: type[BaseModel], name: str, place: str) -> tuple[str, FieldInfo]:
    for field_name, field in model.model_fields.items():
        if name in {field.alias or field_name, field_name}:
            return field_name, field
    raise _unknown(place, name, [field.alias or key for key, field in model.model_fields.items()])


def _unknown(place: str, name: str, known: list[str]) -> CliError:
    return CliError(
        f"{place} has no field {name!r}.",
        next_step=f"use one of: {', '.join(known)}" if known else f"see `amas explain {place}`",
        exit_code=ExitCode.USAGE,
    )


def _field_line(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    text = _description(model, name, field)
    required = " required" if field.is_required() else _default(field)
    head = f"  {field.alias or name:<{NAME_WIDTH}} <{_shape(field)}>{required}"
    return head + (f"\n{textwrap.indent(textwrap.fill(text, WIDTH - 4), '    ')}" if text else "")


def _default(field: FieldInfo) -> str:
    default = field.default
    simple = isinstance(default, str | int | float) and not isinstance(default, bool) and not hasattr(default, "name")
    return f" default {default}" if simple or isinstance(default, bool) else ""


def _description(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    return field.description or attribute_docstrings(model).get(name, "")


def _docstring(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _shape(field: FieldInfo) -> str:
    return _type_name(field.annotation)


def _type_name(annotation: Any) -> str:
    """A type in the words of YAML: text, number, list of object."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_type_name(item) for item in arguments if item is not type(None)))
    if origin is typing.Literal:
        return " | ".join(str(item) for item in arguments)
    if origin in {tuple, list, frozenset, set}:
        return f"list of {_type_name(arguments[0])}" if arguments else "list"
    if origin is dict:
        return f"map of {_type_name(arguments[1])}"
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return "object"
        return {"str": "text", "int": "number", "float": "number", "bool": "true | false"}.get(
            annotation.__name__, annotation.__name__.lower()
        )
    return "any"


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model inside a type: of the items of a list, of the values of a map, of an optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for item in typing.get_args(annotation):
        model = _model_of(item)
        if model is not None:
            return model
    return None
