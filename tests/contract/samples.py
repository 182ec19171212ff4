"""Samples of a message, made from the rules in its contract: the least that is valid, and one breach of each rule.

The rules are read from the descriptors and not by the validators under test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

__all__ = ["breaches", "least"]

# A text that fits each pattern of the contracts; a new pattern needs a line here.
_FITTING = {
    "^[a-z][A-Za-z]{0,62}$": "apply",
    "^sha256:[0-9a-f]{64}$": "sha256:" + "0" * 64,
    "^(sha256:[0-9a-f]{64})?$": "",
    "^([0-9a-f]{16})?$": "",
    "^(|allow|deny|escalate)$": "",
    "^[a-z][a-z0-9_]{0,62}$": "input",
    "^([a-z][a-z0-9-]{0,62})?$": "",
    "^([a-z0-9.+-]+/[a-z0-9.+-]+)?$": "",
    "^([0-9a-f]{32})?$": "",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$": "acme",
    "^[a-z0-9][a-z0-9-]*/[A-Za-z0-9_.-]+$": "git/git_log",
    r"^dev\.amas\.[a-z_]+(\.[a-z_]+)+$": "dev.amas.run.started",
}
# No pattern of the contracts has a newline, a capital without small letters around it, or an exclamation mark.
_UNFITTING = "!\n!"


def least(descriptor: Descriptor) -> Any:
    """The message with nothing in it but what its rules ask for."""
    message = GetMessageClass(descriptor)()
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
            _fill(message, oneof.fields[0])
    for field in descriptor.fields:
        if _rules(field).required or _asks_for_something(field):
            _fill(message, field)
    return message


def breaches(descriptor: Descriptor) -> Iterator[tuple[str, Any]]:
    """(field path, message): a message valid but for one rule, for each rule, also of required messages inside."""
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
            message = least(descriptor)
            message.ClearField(oneof.fields[0].name)
            yield oneof.name, message
    for field in descriptor.fields:
        yield from _field_breaches(descriptor, field)


def _field_breaches(descriptor: Descriptor, field: FieldDescriptor) -> Iterator[tuple[str, Any]]:
    if _rules(field).required:
        message = least(descriptor)
        message.ClearField(field.name)
        yield field.name, message
    for wrong in _wrong_values(field):
        message = least(descriptor)
        _assign(message, field, wrong)
        yield field.name, message
    inner = field.message_type
    if inner is None or inner.GetOptions().map_entry or not inner.full_name.startswith("amas."):
        return
    for path, value in breaches(inner):
        message = least(descriptor)
        _assign(message, field, [value] if field.is_repeated else value)
        yield f"{field.name}[0].{path}" if field.is_repeated else f"{field.name}.{path}", message


def _rules(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[validate_pb2.field]


def _asks_for_something(field: FieldDescriptor) -> bool:
    if field.has_presence:
        return False
    rules = _rules(field)
    pattern = rules.string.pattern
    return bool(
        rules.string.min_len
        or rules.string.min_bytes
        or (pattern and _FITTING[pattern])
        or rules.bytes.min_len
        or rules.repeated.min_items
        or rules.int32.gte > 0
        or rules.int64.gte > 0
    )


def _fill(message: Any, field: FieldDescriptor) -> None:
    rules = _rules(field)
    if field.is_repeated:
        one = least(field.message_type) if field.message_type else "x"
        _assign(message, field, [one] * int(rules.repeated.min_items or 1))
    elif field.message_type is not None:
        _assign(message, field, least(field.message_type))
    elif field.type == FieldDescriptor.TYPE_STRING:
        string = rules.string
        size = int(max(string.min_len, string.min_bytes, 1))
        _assign(message, field, _FITTING[string.pattern] if string.pattern else _text(size))
    elif field.type == FieldDescriptor.TYPE_BYTES:
        _assign(message, field, b"x" * int(max(rules.bytes.min_len, 1)))
    else:
        _assign(message, field, int(max(rules.int32.gte, rules.int64.gte, 1)))


def _text(size: int) -> str:
    # A field of two or more characters is JSON text in the contracts.
    return "x" if size == 1 else "{}" + " " * (size - 2)


def _assign(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        message.ClearField(field.name)
        getattr(message, field.name).extend(value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, value)


def _wrong_values(field: FieldDescriptor) -> Iterator[Any]:
    rules = _rules(field)
    if rules.string.min_len or rules.string.min_bytes:
        yield ""
    if rules.string.max_len:
        yield "x" * (rules.string.max_len + 1)
    if rules.string.max_bytes:
        yield "é" * (rules.string.max_bytes // 2 + 1)
    if rules.string.pattern:
        yield _UNFITTING
    if rules.bytes.min_len:
        yield b""
    if rules.bytes.max_len:
        yield b"x" * (rules.bytes.max_len + 1)
    for integers in (rules.int32, rules.int64):
        if integers.HasField("gte"):
            yield integers.gte - 1
        if integers.HasField("lte"):
            yield integers.lte + 1
    if rules.repeated.min_items:
        yield []
    if rules.repeated.max_items:
        one = least(field.message_type) if field.message_type else "x"
        yield [one] * (rules.repeated.max_items + 1)
