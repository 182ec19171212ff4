"""Access tokens in the profile of RFC 9068, signed with the issuer's current key."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from joserfc import jwt

from amas_cli.local.issuer.principals import DevPrincipal
from amas_cli.local.issuer.signing_keys import ALGORITHMS, SigningKey

LIFETIME_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """Makes tokens of one issuer for one audience."""

    issuer: str
    audience: str

    def make(self, principal: DevPrincipal, signing: SigningKey) -> str:
        """A token for the principal that lives LIFETIME_SECONDS."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": principal.name,
            "aud": self.audience,
            "client_id": principal.name,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": str(uuid.uuid4()),
            "tenant": principal.tenant,
            "roles": list(principal.roles),
            "groups": list(principal.groups),
        }
        header = {"typ": "at+jwt", "alg": signing.algorithm, "kid": signing.key_id}
        return jwt.encode(header, claims, signing.key, algorithms=list(ALGORITHMS))
