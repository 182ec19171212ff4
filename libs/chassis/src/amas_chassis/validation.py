"""Requests are held to the rules in their contracts (buf.validate) before a handler sees them.

Rules are compiled at a type's first use and kept; a type with a rule that our compiler does not know is checked by
protovalidate itself. It must never let a request through unchecked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import Descriptor

from .contract_rules import Problem, compile_rules
from .errors import AmasError, ErrorKind, FieldViolation

if TYPE_CHECKING:
    import protovalidate

__all__ = ["problems", "reference_problems", "validate"]

# How many problems the message names; the details hold the rest.
_NAMED = 3
# Message types whose compiled rules are kept; the contracts have fewer.
_MAX_TYPES = 1_024


def validate(request: Any) -> None:
    """Raise AmasError INVALID_ARGUMENT, reason REQUEST_INVALID, with every field that breaks a rule."""
    found = problems(request)
    if found:
        text = "; ".join(f"{field}: {description}" for field, description in found[:_NAMED])
        violations = [FieldViolation(field, description) for field, description in found]
        raise AmasError(ErrorKind.INVALID_ARGUMENT, "REQUEST_INVALID", text, violations=violations)


def problems(request: Any) -> Sequence[Problem]:
    """What is wrong with a request, field by field; empty if nothing is."""
    return _check_of(request.DESCRIPTOR)(request)


def reference_problems(request: Any) -> list[Problem]:
    """The same by protovalidate, which is authoritative and slow."""
    return [(_path(found.proto), found.proto.message) for found in _validator().collect_violations(request)]


@lru_cache(maxsize=_MAX_TYPES)
def _check_of(descriptor: Descriptor) -> Callable[[Any], Sequence[Problem]]:
    return compile_rules(descriptor) or reference_problems


@lru_cache(maxsize=1)
def _validator() -> protovalidate.Validator:
    # Not at the top: its CEL costs every process 0.2 s and 10 MB, and no contract of ours needs it (a test says so).
    import protovalidate

    return protovalidate.Validator()  # type: ignore[no-untyped-call]  # the package leaves it out


def _path(violation: Any) -> str:
    parts = []
    for element in violation.field.elements:
        which = element.WhichOneof("subscript")
        parts.append(f"{element.field_name}[{_subscript(element, which)}]" if which else element.field_name)
    return ".".join(parts)


def _subscript(element: Any, which: str) -> str:
    value = getattr(element, which)
    return f'"{value}"' if which == "string_key" else str(value).lower() if which == "bool_key" else str(value)
