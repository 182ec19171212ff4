"""What can go wrong with a model call, and what a client may see of it.

AttemptError and RejectedError stay inside: a provider's own words reach a client only as the error body of a request
that it refused, never its key, its address or a stack trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from amas_chassis.errors import AmasError, ErrorKind

# Longest provider error that rides in the status details, which must stay well below 8 KiB of trailers (characters).
MAX_PROVIDER_ERROR = 2_000
# Most failovers named in the status details; the audit log has them all.
MAX_NAMED_FAILOVERS = 8
# Reason code for an executor that another one has replaced; audit uses the same.
FENCED = "FENCED"


class FailureReason(StrEnum):
    """Why an attempt failed; the next target is asked."""

    CONNECT_FAILED = "CONNECT_FAILED"
    CONNECTION_LOST = "CONNECTION_LOST"
    TIMEOUT = "TIMEOUT"
    RATE_LIMITED = "RATE_LIMITED"
    SERVER_ERROR = "SERVER_ERROR"
    KEY_REFUSED = "KEY_REFUSED"
    KEY_MISSING = "KEY_MISSING"
    RESPONSE_INVALID = "MODEL_RESPONSE_INVALID"
    RESPONSE_TOO_LARGE = "MODEL_RESPONSE_TOO_LARGE"
    API_UNSUPPORTED = "API_UNSUPPORTED"


# Failures before a provider could begin to work: asking it again costs nothing twice.
_NOT_PROCESSED = frozenset(
    {
        FailureReason.CONNECT_FAILED,
        FailureReason.RATE_LIMITED,
        FailureReason.KEY_REFUSED,
        FailureReason.KEY_MISSING,
        FailureReason.API_UNSUPPORTED,
    }
)
# Failures that may pass by themselves within seconds.
_PASSING = frozenset({FailureReason.CONNECT_FAILED, FailureReason.RATE_LIMITED, FailureReason.SERVER_ERROR})
# Failures that a request brings about, by what it asks for: their target may serve every other one well.
_BY_REQUEST = frozenset({FailureReason.RESPONSE_TOO_LARGE, FailureReason.API_UNSUPPORTED})
# A gateway in between gave up: what stands behind it may be at work still.
_GATEWAY_TIMEOUT = 504


class AttemptError(Exception):
    """One target did not answer as it should. The text is for us, not for clients.

    `processed`: the provider may have worked on the request. False only where it certainly did not. `retry_after` is in
    seconds; `status` is the HTTP status of a refusal that came before any answer.
    """

    def __init__(
        self,
        reason: FailureReason,
        detail: str,
        *,
        retry_after: float | None = None,
        processed: bool | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.retry_after = retry_after
        self.processed = reason not in _NOT_PROCESSED if processed is None else processed
        self.status = status

    @property
    def by_request(self) -> bool:
        """Whether it says nothing about the target: no caller may open a breaker for others by what he asks for."""
        return self.reason in _BY_REQUEST

    @property
    def repeatable(self) -> bool:
        """Whether asking the same target again is safe and may help."""
        return not self.processed and self.reason in _PASSING

    @property
    def billable(self) -> bool:
        """Whether it may cost something. A refusal by status delivered no token, so no provider bills it."""
        by_status = self.reason is FailureReason.SERVER_ERROR and self.status not in (None, _GATEWAY_TIMEOUT)
        return self.processed and not by_status


class RejectedError(Exception):
    """The provider refused the request as the caller's mistake; `error_json` is its error object or empty."""

    def __init__(self, status: int, error_json: str) -> None:
        super().__init__(f"the provider answered {status}")
        self.status = status
        self.error_json = error_json


class ModelCallError(AmasError):
    """A failure after a provider was asked: a blind repetition could be billed again, so nobody may make one."""


_FINAL: dict[FailureReason, tuple[ErrorKind, str, str]] = {
    FailureReason.TIMEOUT: (ErrorKind.DEADLINE_EXCEEDED, "MODEL_TIMEOUT", "no model answered in time"),
    FailureReason.RATE_LIMITED: (
        ErrorKind.RESOURCE_EXHAUSTED,
        "MODEL_RATE_LIMITED",
        "the model's provider limits the rate",
    ),
    FailureReason.KEY_REFUSED: (
        ErrorKind.FAILED_PRECONDITION,
        "MODEL_KEY_REFUSED",
        "the model's provider refused the configured key",
    ),
    FailureReason.KEY_MISSING: (
        ErrorKind.FAILED_PRECONDITION,
        "MODEL_KEY_MISSING",
        "the key of the model's provider is not there",
    ),
    FailureReason.RESPONSE_INVALID: (
        ErrorKind.INTERNAL,
        "MODEL_RESPONSE_INVALID",
        "the model's provider gave no valid answer",
    ),
    FailureReason.RESPONSE_TOO_LARGE: (
        ErrorKind.RESOURCE_EXHAUSTED,
        "MODEL_RESPONSE_TOO_LARGE",
        "the model's answer is larger than allowed",
    ),
    FailureReason.API_UNSUPPORTED: (
        ErrorKind.UNIMPLEMENTED,
        "MODEL_API_UNSUPPORTED",
        "the provider's API is not supported",
    ),
}
_UNAVAILABLE = (ErrorKind.UNAVAILABLE, "MODEL_UNAVAILABLE", "no model could be reached")


def all_failed(last: AttemptError, failovers: Sequence[str]) -> ModelCallError:
    """No target answered: the last failure names the kind, the details name all."""
    kind, reason, message = _FINAL.get(last.reason, _UNAVAILABLE)
    named = "; ".join(failovers[:MAX_NAMED_FAILOVERS])
    return ModelCallError(kind, reason, message, metadata={"attempts": named}, retry_after=last.retry_after)


def none_admitted(failovers: Sequence[str], retry_after: float) -> AmasError:
    """Every target rests after failures, and the calls that probe them are under way; nobody was asked."""
    kind, reason, message = _UNAVAILABLE
    named = "; ".join(failovers[:MAX_NAMED_FAILOVERS])
    return AmasError(kind, reason, message, metadata={"attempts": named}, retry_after=retry_after)


def rejected(error: RejectedError) -> ModelCallError:
    """The provider's refusal as the caller's error, with the provider's error object."""
    kind = ErrorKind.NOT_FOUND if error.status == 404 else ErrorKind.INVALID_ARGUMENT
    metadata = {"provider_status": str(error.status)}
    if error.error_json and len(error.error_json) <= MAX_PROVIDER_ERROR:
        metadata["provider_error"] = error.error_json
    return ModelCallError(
        kind, "PROVIDER_REJECTED", f"the provider refused the request with status {error.status}", metadata=metadata
    )


def bundle_unknown(digest: str) -> AmasError:
    """Asks the caller to load the bundle and to try again."""
    return AmasError(
        ErrorKind.FAILED_PRECONDITION, "BUNDLE_UNKNOWN", "the bundle is not known here", metadata={"bundle": digest}
    )


def bundle_invalid(problem: str) -> AmasError:
    """A bundle that is not what its digest says, or no bundle at all."""
    return AmasError(ErrorKind.INVALID_ARGUMENT, "BUNDLE_INVALID", problem)


def route_unknown(route: str) -> AmasError:
    """The bundle has no such route."""
    return AmasError(ErrorKind.NOT_FOUND, "ROUTE_UNKNOWN", "no such model route", metadata={"route": route})


def body_invalid(problem: str) -> AmasError:
    """A request body that no provider could take."""
    return AmasError(ErrorKind.INVALID_ARGUMENT, "BODY_INVALID", problem)


def denied(reasons: Sequence[tuple[str, str]]) -> AmasError:
    """Policy did not allow it."""
    code, sentence = reasons[0] if reasons else ("MODEL_DENIED", "policy does not allow this model call")
    codes = ",".join(code for code, _ in reasons)
    return AmasError(ErrorKind.PERMISSION_DENIED, code, sentence, metadata={"reasons": codes})


def key_reused() -> AmasError:
    """The idempotency key stands for another request."""
    return AmasError(
        ErrorKind.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another request"
    )


def fenced() -> AmasError:
    """Another executor has taken the run over."""
    return AmasError(ErrorKind.FAILED_PRECONDITION, FENCED, "another executor works on this run now")


def unavailable(reason: str, message: str) -> AmasError:
    """Something that must answer did not: the call does not happen, or its answer is withheld."""
    return AmasError(ErrorKind.UNAVAILABLE, reason, message)


def after_provider(error: AmasError) -> ModelCallError:
    """The same failure, marked as one after a provider was asked."""
    return ModelCallError(
        error.kind, error.reason, error.message, metadata=error.metadata, retry_after=error.retry_after
    )
