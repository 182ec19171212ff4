"""Who asks? Turns an `authorization` header into a principal, verifying each token once.

Verified tokens are kept by digest until they expire, so that the hot path pays a hash and a look-up. A refusal is never
kept: a flood of bad tokens must not push good ones out.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_gateway.domain.errors import TokenFault, token_refused
from amas_gateway.domain.model import Denial, Principal
from amas_gateway.domain.token_rules import MAX_TOKEN_BYTES
from amas_gateway.ports import AccessLog, TokenVerifier
from amas_gateway.telemetry import Instruments

# About 1 KB each with 64 roles.
MAX_CACHED_TOKENS = 4096


class Authenticate:
    """Raises UNAUTHENTICATED with a TOKEN_* reason; every refusal is remembered for the audit log."""

    def __init__(self, verifier: TokenVerifier, access_log: AccessLog, clock: Clock, instruments: Instruments) -> None:
        self._verifier = verifier
        self._access_log = access_log
        self._clock = clock
        self._instruments = instruments
        self._verified: OrderedDict[bytes, Principal] = OrderedDict()

    async def __call__(self, authorization: str | None, trace_id: str = "") -> Principal:
        """The principal of a `Bearer` credential (RFC 6750 section 2.1)."""
        try:
            token = _bearer(authorization)
            digest = hashlib.sha256(token.encode()).digest()
            principal = self._cached(digest)
            if principal is None:
                principal = await self._verifier.verify(token)
                self._keep(digest, principal)
        except AmasError as error:
            self._instruments.denied.labels(error.reason).inc()
            self._access_log.denied(Denial(error.reason, "authenticate", trace_id=trace_id))
            raise
        return principal

    def _cached(self, digest: bytes) -> Principal | None:
        principal = self._verified.get(digest)
        if principal is None:
            self._instruments.token_cache.labels("miss").inc()
            return None
        if self._clock.now().timestamp() >= principal.expires_at or not self._verifier.trusts(principal.key_id):
            del self._verified[digest]
            self._instruments.token_cache.labels("stale").inc()
            return None
        self._verified.move_to_end(digest)
        self._instruments.token_cache.labels("hit").inc()
        return principal

    def _keep(self, digest: bytes, principal: Principal) -> None:
        self._verified[digest] = principal
        while len(self._verified) > MAX_CACHED_TOKENS:
            self._verified.popitem(last=False)


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise token_refused(TokenFault.MISSING)
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise token_refused(TokenFault.MISSING)
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise token_refused(TokenFault.MALFORMED)
    return token
