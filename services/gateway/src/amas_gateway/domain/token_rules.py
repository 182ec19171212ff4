"""What an access token must say: the profile of RFC 9068 and the claims that AMAS adds to it.

Pure rules over a header and claims whose signature somebody else has verified; nothing here trusts a claim to choose
how the token is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import TokenFault, token_refused
from .model import Principal

# Larger tokens are refused unread: 64 roles and 256 groups fit well.
MAX_TOKEN_BYTES = 16_384
# Most clock skew that is forgiven between issuer and gateway: more would keep expired tokens alive.
MAX_LEEWAY_SECONDS = 60.0

_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_SUBJECT = 255
_MAX_KEY_ID = 256
_MAX_ROLES = 64
_MAX_GROUPS = 256
_MAX_NAME = 255
_REQUIRED_TEXT = ("sub", "client_id", "jti", "tenant")


@dataclass(frozen=True, slots=True)
class TokenProfile:
    """Whose tokens are taken, for whom; `leeway` in seconds."""

    issuer: str
    audience: str
    leeway: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.leeway <= MAX_LEEWAY_SECONDS:
            raise ValueError(f"leeway must be between 0 and {MAX_LEEWAY_SECONDS} seconds")


def check_header(header: Mapping[str, object]) -> tuple[str, str]:
    """The key id and algorithm that a header names. Raises for another `typ` (RFC 9068 section 4) or any `crit`."""
    kind, kid, algorithm = header.get("typ"), header.get("kid"), header.get("alg")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "crit" in header:
        raise token_refused(TokenFault.MALFORMED)
    if not isinstance(algorithm, str):
        raise token_refused(TokenFault.ALGORITHM)
    if not isinstance(kid, str) or not 0 < len(kid) <= _MAX_KEY_ID:
        raise token_refused(TokenFault.MALFORMED)
    return kid, algorithm


def principal_from_claims(claims: Mapping[str, object], profile: TokenProfile, *, key_id: str, now: float) -> Principal:
    """The principal that verified claims name; `now` in seconds since the epoch."""
    if claims.get("iss") != profile.issuer:
        raise token_refused(TokenFault.ISSUER)
    if profile.audience not in _texts(claims, "aud", _MAX_ROLES, single=True):
        raise token_refused(TokenFault.AUDIENCE)
    expires_at = _check_times(claims, profile.leeway, now)
    for name in _REQUIRED_TEXT:
        value = claims.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_SUBJECT:
            raise token_refused(TokenFault.CLAIMS)
    tenant = str(claims["tenant"])
    if not _TENANT.fullmatch(tenant):
        raise token_refused(TokenFault.CLAIMS)
    return Principal(
        subject=str(claims["sub"]),
        issuer=profile.issuer,
        tenant=tenant,
        roles=frozenset(_texts(claims, "roles", _MAX_ROLES)),
        groups=tuple(_texts(claims, "groups", _MAX_GROUPS)),
        expires_at=expires_at,
        key_id=key_id,
        client_id=str(claims["client_id"]),
    )


def _check_times(claims: Mapping[str, object], leeway: float, now: float) -> float:
    expires_at = _number(claims, "exp")
    issued_at = _number(claims, "iat")
    not_before = _number(claims, "nbf") if "nbf" in claims else issued_at
    if now >= expires_at + leeway:
        raise token_refused(TokenFault.EXPIRED)
    if now < max(not_before, issued_at) - leeway:
        raise token_refused(TokenFault.NOT_YET_VALID)
    return expires_at + leeway


def _number(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise token_refused(TokenFault.CLAIMS)
    return float(value)


def _texts(claims: Mapping[str, object], name: str, most: int, *, single: bool = False) -> list[str]:
    value = claims.get(name, [])
    if single and isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or len(value) > most:
        raise token_refused(TokenFault.CLAIMS)
    texts = [item for item in value if isinstance(item, str) and 0 < len(item) <= _MAX_NAME]
    if len(texts) != len(value):
        raise token_refused(TokenFault.CLAIMS)
    return texts
