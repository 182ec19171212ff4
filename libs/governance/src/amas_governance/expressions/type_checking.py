"""Checks expressions against the schemas when resources are applied, so that a misspelt field is found before a run.

The scope at run time has the same names: `input`, `steps.<name>.output` and `.state`, `run`, `principal`, and `item`
and `index` inside a step with `forEach`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]  # ships no py.typed

from .evaluation import first_line, refuse_costly, selection
from .references import source_names
from .schema_compatibility import absent_or_incompatible, property_schema
from .schema_types import SchemaTypes, plain_type
from .templates import ExpressionError, split, whole, without_strings

_TEXT: Mapping[str, Any] = {"type": "string"}
_TEXTS: Mapping[str, Any] = {"type": "array", "items": _TEXT}
RUN_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"id": _TEXT, "orchestration": _TEXT, "tenant": _TEXT},
    "required": ["id", "orchestration", "tenant"],
}
PRINCIPAL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"subject": _TEXT, "tenant": _TEXT, "roles": _TEXTS, "groups": _TEXTS},
    "required": ["subject", "tenant", "roles", "groups"],
}
ANY_SCHEMA: Mapping[str, Any] = {}

# Whoever takes all steps at once has no edges in the graph, and would run before them.
_BARE_STEPS = re.compile(r"(?<![\w.])steps\b(?!\s*\.)")

_KINDS = {
    "STRING": "string",
    "INT": "integer",
    "UINT": "integer",
    "DOUBLE": "number",
    "BOOL": "boolean",
    "NULL": "null",
}


class TypeEnvironment:
    """The types of everything that the expressions of one place may name."""

    def __init__(self, input_schema: Any, steps: Mapping[str, Any], *, item_schema: Any | None = None) -> None:
        """`steps` maps the name of a step to the schema of its output; `item_schema` is given inside `forEach`."""
        self._steps = frozenset(steps)
        properties: dict[str, Any] = {
            "input": input_schema,
            "steps": _object({name: _object({"output": schema, "state": _TEXT}) for name, schema in steps.items()}),
            "run": RUN_SCHEMA,
            "principal": PRINCIPAL_SCHEMA,
        }
        if item_schema is not None:
            properties |= {"item": item_schema, "index": {"type": "integer"}}
        self._root = _object(properties)
        types = SchemaTypes()
        scope = types.add(properties)
        # Each name becomes a variable of the type that the field of the scope message has.
        fields = {field.name: field for field in types.file.message_type[int(scope.rpartition("Type")[2])].field}
        variables = {name: _variable(fields[name]) for name in properties}
        self._environment = cel.NewEnv(types.pool(), variables=variables)

    def type_of(self, source: str) -> str:
        """`string`, `integer`, `number`, `boolean`, `array`, `object`, `null` or `any`; raises ExpressionError."""
        refuse_costly(source)
        for name in sorted(source_names(source) - self._steps):
            raise ExpressionError(f"${{{source}}}: there is no step {name}")
        if _BARE_STEPS.search(without_strings(source)):
            raise ExpressionError(f"${{{source}}}: name one step, as in steps.draft.output")
        try:
            checked = self._environment.compile(source)
        except RuntimeError as error:
            raise ExpressionError(f"${{{source}}}: {first_line(str(error))}") from error
        return _kind(checked.return_type())

    def schema_of(self, source: str) -> Any | None:
        """The schema of a plain chain of fields such as `steps.draft.output.path`; None for any other expression."""
        parts = selection(source)
        schema: Any = self._root
        for part in parts or ():
            schema = property_schema(schema, part)
        return schema if parts else None

    def mismatch(self, source: str, target: Any, *, required: bool) -> str | None:
        """Why the value of an expression cannot go where `target` is the schema; None if it can. May raise."""
        kind = self.type_of(source)
        wanted = plain_type(target)
        if "any" not in (kind, wanted) and kind != wanted and (kind, wanted) != ("integer", "number"):
            return f"${{{source}}} gives {_named(kind)}, expected {_named(wanted)}"
        parts = selection(source)
        if parts is None:
            return None
        found = absent_or_incompatible(self._root, parts, target, required=required)
        return f"${{{source}}} {found}" if found else None


def check_types(value: Any, environment: TypeEnvironment) -> list[tuple[tuple[str | int, ...], str]]:
    """(path, message) of every expression in a value that does not type-check; empty if all do."""
    if isinstance(value, str):
        try:
            for part in split(value):
                if not isinstance(part, str):
                    environment.type_of(part.source)
        except ExpressionError as error:
            return [((), str(error))]
        return []
    children: Any = ()
    if isinstance(value, Mapping):
        children = value.items()
    elif isinstance(value, list | tuple):
        children = enumerate(value)
    return [((key, *path), message) for key, child in children for path, message in check_types(child, environment)]


def check_expects(value: str, wanted: str, environment: TypeEnvironment) -> str | None:
    """Why a text is not one expression that gives `wanted` (`boolean`, `array`); None if it is."""
    try:
        expression = whole(value)
        if expression is None:
            return f"expected an expression such as ${{input.field}} that gives {_named(wanted)}"
        kind = environment.type_of(expression.source)
    except ExpressionError as error:
        return str(error)
    return (
        None if kind in ("any", wanted) else f"${{{expression.source}}} gives {_named(kind)}, expected {_named(wanted)}"
    )


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _variable(field: Any) -> Any:
    """The CEL type of a field of a message."""
    scalar = {field.TYPE_STRING: cel.Type.STRING, field.TYPE_INT64: cel.Type.INT, field.TYPE_BOOL: cel.Type.BOOL}
    well_known = {
        ".google.protobuf.Value": cel.Type.DYN,
        ".google.protobuf.Struct": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
        ".google.protobuf.ListValue": cel.Type.LIST,
    }
    if field.type in scalar:
        kind = scalar[field.type]
    else:
        kind = well_known.get(field.type_name) or cel.Type(field.type_name.removeprefix("."))
    return cel.Type.List(kind) if field.label == field.LABEL_REPEATED else kind


def _kind(kind: Any) -> str:
    name = kind.name()
    if kind.is_message() or name.startswith("MAP"):
        return "object"
    if name.startswith("LIST"):
        return "array"
    return _KINDS.get(name, "any")


def _named(kind: str) -> str:
    return {
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "an object",
        "null": "nothing",
    }.get(kind, "any value")
