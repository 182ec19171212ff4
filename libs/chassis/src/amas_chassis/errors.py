"""The one error type that crosses a service boundary, and its small taxonomy.

It exists so that domain code can say what went wrong without knowing the wire. It must never import grpc, and its
messages must never hold what a client may not see: secrets, other tenants' data, stack traces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["AmasError", "ErrorKind", "FieldViolation", "QuotaViolation"]

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


class ErrorKind(StrEnum):
    """What kind of failure it is; the names are those of google.rpc.Code."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that breaks a rule; `field` is a path such as `events[0].id`."""

    field: str
    description: str


@dataclass(frozen=True)
class QuotaViolation:
    """One quota that is used up (google.rpc.QuotaFailure); `subject` names it, such as `quota:acme-mail`."""

    subject: str
    description: str


class AmasError(Exception):
    """A failure that a client may see.

    `reason` is a stable UPPER_SNAKE code (google.rpc.ErrorInfo.reason); `message` is safe to show; `retry_after` is in
    seconds and says when asking again is sensible.
    """

    def __init__(
        self,
        kind: ErrorKind,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] = _NO_METADATA,
        violations: Sequence[FieldViolation] = (),
        quota: Sequence[QuotaViolation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata)
        self.violations = tuple(violations)
        self.quota = tuple(quota)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.kind} {self.reason}: {self.message}"

    def __reduce__(self) -> tuple[Callable[..., AmasError], tuple[object, ...]]:
        # Exceptions pickle by their `args` alone, and durable engines store them so.
        fields = (self.kind, self.reason, self.message, self.metadata, self.violations, self.retry_after, self.quota)
        return _rebuilt, fields


def _rebuilt(
    kind: ErrorKind,
    reason: str,
    message: str,
    metadata: Mapping[str, str],
    violations: Sequence[FieldViolation],
    retry_after: float | None,
    # Last, and with a default: errors that were stored before it came are read too.
    quota: Sequence[QuotaViolation] = (),
) -> AmasError:
    return AmasError(
        kind, reason, message, metadata=metadata, violations=violations, quota=quota, retry_after=retry_after
    )
