"""Compiled rules agree with protovalidate, and what is not known is left to it."""

from __future__ import annotations

from typing import Any

import pytest
from amas_chassis.contract_rules import MAX_PROBLEMS, compile_rules
from amas_chassis.validation import problems, reference_problems
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import given, settings
from hypothesis import strategies as st

_Field = descriptor_pb2.FieldDescriptorProto
_counter = iter(range(10_000))


def message_with(*fields: tuple[int, bool, str], inner: bool = False) -> Any:
    """A message class with fields f1, f2, ... of (type, repeated, rules in text format)."""
    name = f"chassis.rules.v{next(_counter)}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    file.dependency.append("buf/validate/validate.proto")
    message = file.message_type.add(name="M")
    for number, (kind, repeated, rules) in enumerate(fields, start=1):
        label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
        field = message.field.add(name=f"f{number}", number=number, type=kind, label=label)
        text_format.Parse(rules, field.options.Extensions[validate_pb2.field])
    if inner:
        label = _Field.LABEL_REPEATED
        # A type that holds itself: compiling it must end.
        message.field.add(name="ms", number=99, type=_Field.TYPE_MESSAGE, type_name=f".{name}.M", label=label)
    pool = descriptor_pool.Default()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{name}.M"))


RULED = message_with(
    (_Field.TYPE_STRING, False, "string {min_len: 2 max_len: 4}"),
    (_Field.TYPE_STRING, False, "string {min_bytes: 2 max_bytes: 6} ignore: IGNORE_IF_ZERO_VALUE"),
    (_Field.TYPE_STRING, False, 'required: true string {pattern: "^[a-z]+$"}'),
    (_Field.TYPE_BYTES, False, "bytes {min_len: 1 max_len: 3}"),
    (_Field.TYPE_INT32, False, "int32 {gte: -1 lte: 5}"),
    (_Field.TYPE_INT64, False, "int64 {gte: 0}"),
    (_Field.TYPE_UINT32, False, "uint32 {lte: 3}"),
    (_Field.TYPE_STRING, True, "repeated {min_items: 1 max_items: 2}"),
    (_Field.TYPE_STRING, True, "repeated {max_items: 2 items {string {min_len: 1 max_bytes: 4}}}"),
    (_Field.TYPE_INT32, True, "repeated {items {int32 {gte: 1}}}"),
    inner=True,
)

_texts = st.text(max_size=8) | st.sampled_from(["ab", "abc", "ab\n", "é€", ""])
_flat = st.fixed_dictionaries(
    {},
    optional={
        "f1": _texts,
        "f2": _texts,
        "f3": _texts,
        "f4": st.binary(max_size=5),
        "f5": st.integers(-3, 8),
        "f6": st.integers(-2, 2),
        "f7": st.integers(0, 6),
        "f8": st.lists(st.just("x"), max_size=3),
        "f9": st.lists(_texts, max_size=3),
        "f10": st.lists(st.integers(0, 2), max_size=3),
    },
)


# Its interpreter sets the recursion limit when it is first used, which must not happen in the middle of an example.
reference_problems(RULED())


@settings(deadline=None)
@given(_flat, st.lists(_flat, max_size=2))
def test_the_compiled_rules_say_what_protovalidate_says(outer: dict[str, Any], inner: list[dict[str, Any]]) -> None:
    """Same verdict, same fields, same words, for any message."""
    message = RULED(**outer, ms=[RULED(**values) for values in inner])
    check = compile_rules(RULED.DESCRIPTOR)
    assert check is not None
    assert sorted(check(message)) == sorted(reference_problems(message))[: len(check(message))]
    assert bool(check(message)) == bool(reference_problems(message))


@pytest.mark.parametrize(
    "rules",
    [
        "string {email: true}",
        'string {prefix: "x"}',
        'cel {id: "x" message: "no" expression: "this != \\"a\\""}',
        "ignore: IGNORE_ALWAYS string {min_len: 2}",
    ],
)
def test_an_unknown_rule_is_left_to_protovalidate(rules: str) -> None:
    """A rule that the compiler does not know is never skipped: the whole message goes to protovalidate."""
    message = message_with((_Field.TYPE_STRING, False, rules))
    assert compile_rules(message.DESCRIPTOR) is None
    assert list(problems(message(f1="a"))) == reference_problems(message(f1="a"))


def test_a_huge_bad_list_is_cheap_to_refuse() -> None:
    """Only so many problems are looked for."""
    message = RULED(f1="ok", f3="a", f4=b"x", f8=["x"], ms=[RULED() for _ in range(5_000)])
    assert MAX_PROBLEMS <= len(problems(message)) < MAX_PROBLEMS + 10
