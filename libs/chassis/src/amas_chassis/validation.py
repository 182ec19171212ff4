"""Requests are held to the rules in their contracts (protovalidate) before a handler sees them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import protovalidate

from .errors import AmasError, ErrorKind, FieldViolation

__all__ = ["validate"]


@lru_cache(maxsize=1)
def _validator() -> protovalidate.Validator:
    return protovalidate.Validator()  # type: ignore[no-untyped-call]  # the package leaves it out


def validate(request: Any) -> None:
    """Raise AmasError INVALID_ARGUMENT, reason REQUEST_INVALID, with every field that breaks a rule."""
    violations = _validator().collect_violations(request)
    if violations:
        found = [FieldViolation(_path(v.proto), v.proto.message) for v in violations]
        text = "; ".join(f"{v.field}: {v.description}" for v in found[:3])
        raise AmasError(ErrorKind.INVALID_ARGUMENT, "REQUEST_INVALID", text, violations=found)


def _path(violation: Any) -> str:
    parts = []
    for element in violation.field.elements:
        which = element.WhichOneof("subscript")
        parts.append(f"{element.field_name}[{getattr(element, which)}]" if which else element.field_name)
    return ".".join(parts)
