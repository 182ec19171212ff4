"""An issuer for tests: real keys and real tokens, and every way to make a bad one."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from amas_gateway.adapters.issuer_documents import Document, IssuerUnavailableError
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

ISSUER = "https://issuer.example"
AUDIENCE = "amas"
LIFETIME = 3600
ALGORITHMS = ["Ed25519", "ES256", "RS256", "PS256"]


class TestIssuer:
    """Publishes keys as a port twin of IssuerDocuments, counts who asks, and signs."""

    __test__ = False

    def __init__(self) -> None:
        self.keys: dict[str, tuple[Key, str]] = {}
        self.asked = 0
        self.max_age: int | None = None
        self.down = False
        self.add("first")

    def add(self, key_id: str, algorithm: str = "Ed25519") -> None:
        """Publishes a new key, which signs from now on."""
        made: dict[str, Key] = {
            "Ed25519": OKPKey.generate_key("Ed25519"),
            "ES256": ECKey.generate_key("P-256"),
        }
        self.keys[key_id] = (made.get(algorithm) or RSAKey.generate_key(2048), algorithm)

    async def key_set_url(self) -> str:
        if self.down:
            raise IssuerUnavailableError("down")
        return f"{ISSUER}/jwks"

    async def key_set(self, _url: str) -> Document:
        self.asked += 1
        if self.down:
            raise IssuerUnavailableError("down")
        return Document(self.published(), self.max_age)

    def published(self) -> dict[str, Any]:
        """The key set document."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": key_id, "alg": algorithm, "use": "sig"}
                for key_id, (key, algorithm) in self.keys.items()
            ]
        }

    def token(
        self,
        now: float,
        *,
        key_id: str | None = None,
        header: dict[str, Any] | None = None,
        sign_with: Key | None = None,
        drop: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """A good token, unless something is changed. `now` in seconds since the epoch."""
        key_id = key_id or list(self.keys)[-1]
        key, algorithm = self.keys.get(key_id, next(iter(self.keys.values())))
        content = good_claims(now) | claims
        for name in drop:
            del content[name]
        full = {"typ": "at+jwt", "alg": algorithm, "kid": key_id} | (header or {})
        return jwt.encode(full, content, sign_with or key, algorithms=ALGORITHMS)

    def confused(self, now: float, key_id: str = "first") -> str:
        """Signed by HMAC with the published public key as the secret: the classic confusion."""
        key, _ = self.keys[key_id]
        header = {"typ": "at+jwt", "alg": "HS256", "kid": key_id}
        signed = f"{_part(header)}.{_part(good_claims(now))}"
        mac = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    def unsigned(self, now: float, key_id: str = "first") -> str:
        """`alg: none` with an empty signature."""
        header = {"typ": "at+jwt", "alg": "none", "kid": key_id}
        return f"{_part(header)}.{_part(good_claims(now))}."


def good_claims(now: float) -> dict[str, Any]:
    """Claims that are taken."""
    return {
        "iss": ISSUER,
        "sub": "developer",
        "aud": AUDIENCE,
        "client_id": "cli",
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + LIFETIME,
        "jti": "1",
        "tenant": "acme",
        "roles": ["developer"],
        "groups": [],
    }


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
