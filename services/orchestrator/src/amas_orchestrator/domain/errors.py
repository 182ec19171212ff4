"""What can go wrong here: errors that a client may see (AmasError with a stable reason), and one that nobody takes."""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind, FieldViolation

RETRYABLE = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.ABORTED})
"""Kinds after which the same request with the same key may well be answered: a dependency is away or drains."""

FENCED = "FENCED"
"""Reason with which audit and our own tables refuse an executor that was taken over."""


class OwnershipLost(BaseException):
    """This executor no longer owns the run and must stop without a trace.

    A BaseException, so that neither a use case nor the durable engine takes it for the outcome of a step.
    """


def is_retryable(error: AmasError) -> bool:
    """Whether waiting and asking again is sensible: a dependency is away, or said when to come back."""
    if error.kind in RETRYABLE:
        return True
    # A spent budget comes back in its next window: a run ends with that reason rather than wait for hours.
    return (
        error.kind is ErrorKind.RESOURCE_EXHAUSTED
        and error.retry_after is not None
        and error.reason != "BUDGET_EXCEEDED"
    )


def run_not_found(run_id: str) -> AmasError:
    """No such run in the caller's tenant."""
    return AmasError(ErrorKind.NOT_FOUND, "RUN_NOT_FOUND", f"there is no run {run_id}")


def approval_not_found(approval_id: str) -> AmasError:
    """No such approval in the caller's tenant."""
    return AmasError(ErrorKind.NOT_FOUND, "APPROVAL_NOT_FOUND", f"there is no approval {approval_id}")


def refused(reason: str, message: str) -> AmasError:
    """The request is well formed, but the state of things forbids it."""
    return AmasError(ErrorKind.FAILED_PRECONDITION, reason, message)


def forbidden(reason: str, message: str) -> AmasError:
    """Policy denies it to this principal."""
    return AmasError(ErrorKind.PERMISSION_DENIED, reason, message)


def invalid(reason: str, message: str, violations: list[FieldViolation]) -> AmasError:
    """The request itself is wrong; each violation says where."""
    return AmasError(ErrorKind.INVALID_ARGUMENT, reason, message, violations=violations)
