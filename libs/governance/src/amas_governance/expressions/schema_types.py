"""JSON Schemas as CEL types, by way of protobuf message descriptors: CEL's checker then finds unknown fields and wrong
types by itself. What a schema leaves open is `dyn`, so that the checker never refuses what may be right.

The descriptors are only for checking; expressions run over plain values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, struct_pb2

_Field = descriptor_pb2.FieldDescriptorProto

PACKAGE = "amas.schema"
MAX_TYPE_DEPTH = 16
"""Levels of a schema that are typed; below them everything is `dyn`."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# https://github.com/google/cel-spec/blob/master/doc/langdef.md: reserved words cannot be selected with a dot.
_RESERVED_WORDS = """as break const continue else false for function if import in let loop namespace null package
return true var void while"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_OPEN = frozenset({"anyOf", "oneOf", "allOf", "not", "if", "$ref", "$dynamicRef", "dependentSchemas"})
"""Keywords that make the type of a value depend on more than this schema's own `type`."""
_SCALARS = {"string": _Field.TYPE_STRING, "integer": _Field.TYPE_INT64, "boolean": _Field.TYPE_BOOL}
_VALUE, _STRUCT, _LIST = ".google.protobuf.Value", ".google.protobuf.Struct", ".google.protobuf.ListValue"


def plain_type(schema: Any) -> str:
    """`string`, `integer`, `number`, `boolean`, `array`, `object`, `null`, or `any` for what the schema leaves open."""
    if not isinstance(schema, Mapping) or _OPEN & schema.keys():
        return "any"
    kind = schema.get("type")
    return kind if isinstance(kind, str) else "any"


def typed_properties(schema: Any) -> Mapping[str, Any] | None:
    """The properties of an object whose fields are all known and can be named in CEL; None for an open one."""
    if plain_type(schema) != "object" or schema.get("patternProperties"):
        return None
    properties = schema.get("properties")
    if not properties or schema.get("additionalProperties", False) is not False:
        return None
    if not all(_IDENTIFIER.fullmatch(name) and name not in _RESERVED for name in properties):
        return None
    return dict(properties)


class SchemaTypes:
    """A pool of message types made of schemas; `add` gives the name of the message."""

    def __init__(self) -> None:
        self.file = descriptor_pb2.FileDescriptorProto(
            name="amas_schema.proto",
            package=PACKAGE,
            syntax="proto2",
            dependency=["google/protobuf/struct.proto"],
        )

    def add(self, fields: Mapping[str, Any], depth: int = 0) -> str:
        """Adds a message whose fields have these schemas; returns its full name."""
        number = len(self.file.message_type)
        message = self.file.message_type.add(name=f"Type{number}")
        for index, (name, schema) in enumerate(fields.items(), start=1):
            # Numbers 19000 to 19999 are reserved by protobuf; a schema has fewer properties than that.
            field = message.field.add(name=name, json_name=name, number=index, label=_Field.LABEL_OPTIONAL)
            self._set_type(field, schema, depth)
        return f"{PACKAGE}.Type{number}"

    def pool(self) -> descriptor_pool.DescriptorPool:
        """All messages so far, ready for a CEL environment."""
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(self.file.SerializeToString())
        return pool

    def _set_type(self, field: _Field, schema: Any, depth: int) -> None:
        kind = plain_type(schema)
        properties = typed_properties(schema)
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        elif depth >= MAX_TYPE_DEPTH:
            _set_message(field, _VALUE)
        elif properties is not None:
            _set_message(field, f".{self.add(properties, depth + 1)}")
        elif kind == "object":
            _set_message(field, _STRUCT)
        elif kind == "array":
            self._set_list(field, schema.get("items"), depth)
        else:
            # `number` too: a JSON number may arrive as an integer or as a double.
            _set_message(field, _VALUE)

    def _set_list(self, field: _Field, items: Any, depth: int) -> None:
        if plain_type(items) == "array":
            _set_message(field, _LIST)  # protobuf has no list of lists
            return
        field.label = _Field.LABEL_REPEATED
        self._set_type(field, items, depth + 1)


def _set_message(field: _Field, name: str) -> None:
    field.type = _Field.TYPE_MESSAGE
    field.type_name = name
