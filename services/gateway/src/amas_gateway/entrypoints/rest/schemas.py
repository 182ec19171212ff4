"""JSON Schemas for the OpenAPI document, made from the contracts' descriptors so that the two cannot drift apart."""

from __future__ import annotations

from typing import Any

from amas.audit.v1 import audit_pb2
from amas.common.v1 import approval_pb2, resource_pb2, revocation_pb2, run_pb2
from amas.orchestrator.v1 import orchestrator_pb2
from amas.router.v1 import router_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

Schema = dict[str, Any]
Responses = dict[int | str, Schema]

_FILES = (approval_pb2, audit_pb2, orchestrator_pb2, resource_pb2, revocation_pb2, router_pb2, run_pb2)
_PREFIX = "#/components/schemas/"
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d+)?s$"},
}
_STRING64: Schema = {"type": "string", "format": "int64", "pattern": r"^-?\d+$"}
_CPP: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_INT64: _STRING64,
    FieldDescriptor.CPPTYPE_UINT64: _STRING64,
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
}


def returns(message: str, *statuses: int, media: str = "application/json") -> Responses:
    """OpenAPI responses with one message; "" for a body that is not described."""
    schema: Schema = {"$ref": _PREFIX + _name(message)} if message else {"type": "string", "format": "binary"}
    return {
        status: {"description": "Success.", "content": {media: {"schema": schema}}} for status in statuses or (200,)
    }


def page(message: str, name: str) -> Responses:
    """OpenAPI responses with a page of messages."""
    items = {"type": "array", "items": {"$ref": _PREFIX + _name(message)}}
    schema = {
        "type": "object",
        "required": [name, "nextPageToken"],
        "properties": {name: items, "nextPageToken": {"type": "string"}},
    }
    return {200: {"description": "Success.", "content": {"application/json": {"schema": schema}}}}


def components() -> dict[str, Schema]:
    """Schemas of all messages that a response can hold, by component name."""
    found: dict[str, Schema] = {"Problem": _problem()}
    for file in _FILES:
        for descriptor in file.DESCRIPTOR.message_types_by_name.values():
            _collect(descriptor, found)
    return found


def _problem() -> Schema:
    text = {"type": "string"}
    violation = {"type": "object", "properties": {"field": text, "description": text}}
    names = ("type", "title", "detail", "instance", "reason", "traceId")
    return {
        "type": "object",
        "description": "RFC 9457 problem; `reason` is stable.",
        "required": [*names, "status"],
        "properties": {
            **dict.fromkeys(names, text),
            "status": {"type": "integer"},
            "violations": {"type": "array", "items": violation},
        },
    }


def _collect(descriptor: Descriptor, found: dict[str, Schema]) -> None:
    if descriptor.full_name in _WELL_KNOWN or _name(descriptor.full_name) in found:
        return
    schema: Schema = {"type": "object", "properties": {}}
    found[_name(descriptor.full_name)] = schema
    for field in descriptor.fields:
        schema["properties"][field.json_name] = _field(field, found)


def _field(field: FieldDescriptor, found: dict[str, Schema]) -> Schema:
    if field.message_type is not None:
        _collect(field.message_type, found)
        name = field.message_type.full_name
        schema = _WELL_KNOWN.get(name, {"$ref": _PREFIX + _name(name)})
    elif field.enum_type is not None:
        schema = {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    elif field.type == FieldDescriptor.TYPE_BYTES:
        schema = {"type": "string", "format": "byte"}
    else:
        schema = _CPP.get(field.cpp_type, {"type": "string"})
    return {"type": "array", "items": schema} if field.is_repeated else schema


def _name(full_name: str) -> str:
    return full_name.removeprefix("amas.").replace(".", "_")
