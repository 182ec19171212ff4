"""The issuer's endpoints: discovery (OpenID Discovery 1.0), key set, token (RFC 6749 section 4.4), rotation."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from aiohttp import web

from amas_cli.local.issuer.principals import PRINCIPALS
from amas_cli.local.issuer.signing_keys import ALGORITHMS, DEFAULT_ALGORITHM, SigningKeys
from amas_cli.local.issuer.tokens import LIFETIME_SECONDS, TokenMaker

# Bytes of a request's body: a form with a name and a secret.
MAX_BODY_BYTES = 4096
# How long verifiers may keep the key set: short, so that a rotation is soon seen.
KEYS_MAX_AGE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Handlers over the keys and the clients' secrets."""

    issuer: str
    keys: SigningKeys
    tokens: TokenMaker
    client_secrets: dict[str, str]
    admin_secret: str

    def application(self) -> web.Application:
        """The web application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/.well-known/openid-configuration", self.discovery)
        app.router.add_get("/jwks", self.key_set)
        app.router.add_post("/token", self.token)
        app.router.add_post("/rotate", self.rotate)
        app.router.add_get("/healthz", self.health)
        return app

    async def health(self, _request: web.Request) -> web.Response:
        """Answers that the issuer is up."""
        return web.json_response({"status": "ok"})

    async def discovery(self, _request: web.Request) -> web.Response:
        """The discovery document."""
        return web.json_response(
            {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks",
                "token_endpoint": f"{self.issuer}/token",
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": ["none"],
                "subject_types_supported": ["public"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "id_token_signing_alg_values_supported": list(ALGORITHMS),
            }
        )

    async def key_set(self, _request: web.Request) -> web.Response:
        """The public keys."""
        headers = {"Cache-Control": f"public, max-age={KEYS_MAX_AGE_SECONDS}"}
        return web.json_response(self.keys.published(), headers=headers)

    async def token(self, request: web.Request) -> web.Response:
        """A token for a client's name and secret. `signing_alg=ES256` asks for the other key."""
        form = await request.post()
        name, secret = _credentials(request, form)
        known = self.client_secrets.get(name)
        # Compared also for an unknown name, so that the time does not tell which names exist.
        right = hmac.compare_digest(secret.encode(), (known or self.admin_secret).encode())
        if known is None or not right:
            return _error(401, "invalid_client", {"WWW-Authenticate": 'Basic realm="amas-issuer"'})
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type")
        algorithm = form.get("signing_alg", DEFAULT_ALGORITHM)
        if algorithm not in ALGORITHMS:
            return _error(400, "invalid_request")
        token = self.tokens.make(PRINCIPALS[name], self.keys.current(str(algorithm)))
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS}
        return web.json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    async def rotate(self, request: web.Request) -> web.Response:
        """Begins to sign with new keys; the admin's secret is the bearer token."""
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.admin_secret}".encode()):
            return _error(401, "invalid_token", {"WWW-Authenticate": 'Bearer realm="amas-issuer"'})
        self.keys.rotate()
        return web.json_response(self.keys.published())


def _credentials(request: web.Request, form: Mapping[str, object]) -> tuple[str, str]:
    """Name and secret from HTTP Basic (RFC 6749 section 2.3.1) or from the form; empty when there are none."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote_plus(name), unquote_plus(secret)
    given = form.get("client_id", ""), form.get("client_secret", "")
    return (given[0], given[1]) if isinstance(given[0], str) and isinstance(given[1], str) else ("", "")


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": code}, status=status, headers=headers)
