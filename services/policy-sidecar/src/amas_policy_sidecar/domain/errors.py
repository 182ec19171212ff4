"""The small taxonomy of what goes wrong: a refusal is a decision and is recorded, everything else is an AmasError.

Messages here reach clients and models, so they never hold an argument's value, a credential or a path of ours.
"""

from __future__ import annotations

from amas_chassis.errors import AmasError, ErrorKind
from amas_governance import revocations

from .model import Reason


class Denied(Exception):  # noqa: N818 - an answer of the domain, not a fault
    """A check said no. The pipeline turns it into a `deny` decision and records it; it never reaches a caller."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.reasons: tuple[Reason, ...] = (Reason(code, message),)

    @classmethod
    def of(cls, reasons: tuple[Reason, ...]) -> Denied:
        """A refusal for several reasons, such as a policy states them."""
        denied = cls("POLICY_DENIED", "policy denies the action")
        denied.reasons = reasons or denied.reasons
        return denied


ADDRESS_REFUSED, REDIRECT_REFUSED = "TOOL_ADDRESS_REFUSED", "TOOL_REDIRECT_REFUSED"
EGRESS_REFUSALS = frozenset({ADDRESS_REFUSED, REDIRECT_REFUSED})
"""A tool server over HTTP that is where its definition does not let it be: not a fault that passes, but a refusal."""


class ToolFailed(Exception):  # noqa: N818 - says what happened
    """The tool server broke while a call was on its way.

    `sent` says whether the request may have reached the tool: only then can its effect have happened.
    """

    def __init__(self, code: str, message: str, *, sent: bool) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.sent = sent


def bundle_unknown(digest: str) -> AmasError:
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        "BUNDLE_UNKNOWN",
        "the bundle is not loaded here: load it and try again",
        metadata={"bundle": digest},
    )


def key_reused() -> AmasError:
    return AmasError(
        ErrorKind.FAILED_PRECONDITION,
        "IDEMPOTENCY_KEY_REUSED",
        "the idempotency key was used for another action",
    )


def engine_fault(error: AmasError) -> Reason | None:
    """What to say on the record of an action that the policy engine did not decide; None for any other error."""
    if error.reason != "POLICY_ENGINE_UNAVAILABLE":
        return None
    fault = error.metadata.get("fault", "failed")
    return Reason(f"POLICY_ENGINE_{fault.upper()}", error.message)


def unavailable(reason: str, message: str, *, retry_after: float | None = None) -> AmasError:
    return AmasError(ErrorKind.UNAVAILABLE, reason, message, retry_after=retry_after)


def revocations_unknown() -> AmasError:
    return unavailable(
        revocations.UNKNOWN, "it is not known what is revoked: nothing is done until it is", retry_after=0.5
    )


def overloaded(reason: str, message: str, *, retry_after: float) -> AmasError:
    return AmasError(ErrorKind.RESOURCE_EXHAUSTED, reason, message, retry_after=retry_after)
