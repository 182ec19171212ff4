"""Verifies access tokens with joserfc: by the algorithm of the key, never by the one that a token asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from amas_chassis.clock import Clock
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import Key
from joserfc.jws import CompactSignature, JWSRegistry

from amas_gateway.domain.errors import TokenFault, token_refused
from amas_gateway.domain.model import Principal
from amas_gateway.domain.token_rules import TokenProfile, check_header, principal_from_claims

from .oidc_keys import OidcKeys

# Algorithms that exist for us at all; everything else (none, HS256, ...) is refused before a key is looked up.
ALGORITHMS = frozenset({"EdDSA", "Ed25519", "ES256", "RS256", "PS256"})


class _Pinned(JWSRegistry):
    """joserfc's registry with our algorithms, without its warning that EdDSA has a newer name (RFC 9864)."""

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise token_refused(TokenFault.ALGORITHM)
        return self.algorithms[name]


class AccessTokens:
    """Port `TokenVerifier`."""

    def __init__(self, keys: OidcKeys, profile: TokenProfile, clock: Clock) -> None:
        self._keys = keys
        self._profile = profile
        self._clock = clock
        self._registry = _Pinned(algorithms=sorted(ALGORITHMS), strict_check_header=False)

    async def verify(self, token: str) -> Principal:
        """Costs no call to the issuer for a token that is refused by its header alone."""
        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=self._registry)
        except (JoseError, ValueError, RecursionError) as error:
            raise token_refused(TokenFault.MALFORMED) from error
        key_id, algorithm = check_header(signed.headers())
        if algorithm not in ALGORITHMS:
            raise token_refused(TokenFault.ALGORITHM)
        claims = _claims(signed.payload)
        if claims.get("iss") != self._profile.issuer:
            # Not believed, only refused early: another issuer's tokens must not make us ask ours for keys.
            raise token_refused(TokenFault.ISSUER)
        key = await self._keys.find(key_id)
        if key is None:
            raise token_refused(TokenFault.KEY_UNKNOWN)
        if algorithm not in key.algorithms:
            raise token_refused(TokenFault.ALGORITHM)
        self._check_signature(signed, key.key)
        now = self._clock.now().timestamp()
        return principal_from_claims(claims, self._profile, key_id=key_id, now=now)

    def trusts(self, key_id: str) -> bool:
        return self._keys.knows(key_id)

    def _check_signature(self, signed: CompactSignature, key: Key) -> None:
        try:
            valid = jws.validate_compact(signed, key, registry=self._registry)
        except BadSignatureError:
            valid = False
        except (JoseError, ValueError) as error:
            raise token_refused(TokenFault.SIGNATURE) from error
        if not valid:
            raise token_refused(TokenFault.SIGNATURE)


def _claims(payload: bytes) -> Mapping[str, object]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise token_refused(TokenFault.MALFORMED) from error
    if not isinstance(claims, dict):
        raise token_refused(TokenFault.MALFORMED)
    return claims
