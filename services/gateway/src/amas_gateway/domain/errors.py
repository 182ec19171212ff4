"""Every refusal that the gateway itself makes: what a client sees, and under which stable reason.

Messages name the rule that was broken, never the value that broke it: a token, a key id or a claim must not come back.
"""

from __future__ import annotations

from enum import StrEnum

from amas_chassis.errors import AmasError, ErrorKind, FieldViolation

_TOKEN_MESSAGES = {
    "TOKEN_MISSING": "A bearer token is required.",
    "TOKEN_MALFORMED": "The token is not a signed JWT access token (RFC 9068).",
    "TOKEN_EXPIRED": "The token has expired.",
    "TOKEN_NOT_YET_VALID": "The token is not valid yet.",
    "TOKEN_ISSUER": "The token is from another issuer.",
    "TOKEN_AUDIENCE": "The token is for another audience.",
    "TOKEN_ALGORITHM": "The token's algorithm is not the one of its key.",
    "TOKEN_SIGNATURE": "The token's signature does not verify.",
    "TOKEN_KEY_UNKNOWN": "The token is signed with a key that the issuer does not publish.",
    "TOKEN_CLAIMS": "The token lacks a required claim, or a claim has the wrong form.",
}


class RepeatUnsafeError(AmasError):
    """A model call failed after a provider may have been asked: a blind repetition could be billed once more."""


def repeat_unsafe(error: AmasError) -> RepeatUnsafeError:
    """The same failure, marked so."""
    return RepeatUnsafeError(
        error.kind,
        error.reason,
        error.message,
        metadata=error.metadata,
        violations=error.violations,
        retry_after=error.retry_after,
    )


class TokenFault(StrEnum):
    """Why a token is refused; the value is the reason that the client sees."""

    MISSING = "TOKEN_MISSING"
    MALFORMED = "TOKEN_MALFORMED"
    EXPIRED = "TOKEN_EXPIRED"
    NOT_YET_VALID = "TOKEN_NOT_YET_VALID"
    ISSUER = "TOKEN_ISSUER"
    AUDIENCE = "TOKEN_AUDIENCE"
    ALGORITHM = "TOKEN_ALGORITHM"
    SIGNATURE = "TOKEN_SIGNATURE"
    KEY_UNKNOWN = "TOKEN_KEY_UNKNOWN"
    CLAIMS = "TOKEN_CLAIMS"


def token_refused(fault: TokenFault) -> AmasError:
    """The 401 for a token, with a sentence of ours and nothing of the token."""
    return AmasError(ErrorKind.UNAUTHENTICATED, fault.value, _TOKEN_MESSAGES[fault.value])


def keys_unavailable() -> AmasError:
    """The issuer's keys are not known or too old: nothing can be verified, so nobody gets in (fail closed)."""
    return AmasError(
        ErrorKind.UNAVAILABLE,
        "IDENTITY_UNAVAILABLE",
        "Tokens cannot be verified at the moment.",
        retry_after=1.0,
    )


def role_missing(needed: frozenset[str]) -> AmasError:
    """The 403 for a principal without any of the roles that an action needs."""
    roles = ", ".join(sorted(needed))
    return AmasError(
        ErrorKind.PERMISSION_DENIED, "ROLE_MISSING", f"This needs one of the roles: {roles}.", metadata={"roles": roles}
    )


def principal_revoked() -> AmasError:
    """The 403 for a principal whose tokens are refused; why is told to the tenant's administrators alone."""
    return AmasError(ErrorKind.PERMISSION_DENIED, "REVOKED", "The principal was revoked.")


def not_owner() -> AmasError:
    """The 403 for another one's run in the same tenant."""
    return AmasError(ErrorKind.PERMISSION_DENIED, "NOT_OWNER", "Only the requester of the run may do this.")


def not_found(what: str) -> AmasError:
    """The 404 for what is not there, and for what belongs to another tenant: both look the same."""
    return AmasError(ErrorKind.NOT_FOUND, "NOT_FOUND", f"There is no such {what}.")


def rate_limited(retry_after: float) -> AmasError:
    """The 429 of the limits; `retry_after` in seconds."""
    return AmasError(
        ErrorKind.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        "Too many requests. Try again later.",
        retry_after=retry_after,
    )


def limits_unavailable() -> AmasError:
    """The limits' store is away and the settings say to refuse then."""
    return AmasError(
        ErrorKind.UNAVAILABLE, "LIMITS_UNAVAILABLE", "Rate limits cannot be checked at the moment.", retry_after=1.0
    )


def too_many_streams() -> AmasError:
    """The principal, or the whole gateway, holds as many open streams as it may."""
    return AmasError(ErrorKind.RESOURCE_EXHAUSTED, "STREAMS_EXHAUSTED", "Too many streams are open.", retry_after=5.0)


def invalid(field: str, description: str, reason: str = "REQUEST_INVALID") -> AmasError:
    """The 400 for one field of a request."""
    return AmasError(
        ErrorKind.INVALID_ARGUMENT,
        reason,
        "The request is not valid.",
        violations=(FieldViolation(field, description),),
    )
