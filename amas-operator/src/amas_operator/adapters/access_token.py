"""Access tokens for the gateway: from a file that somebody renews, or from an issuer by client credentials.

A token or a secret is never logged, and stands in no error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from amas_chassis.clock import Clock

from amas_operator.domain.errors import UnavailableError

TIMEOUT_S = 10.0
RENEW_BEFORE_S = 30.0
"""A token that ends within this is not used any more."""
SHORTEST_LIFE_S = 60.0
"""Of a token whose issuer does not say how long it lives (RFC 6749 section 5.1 only recommends it)."""

AccessToken = Callable[[], Awaitable[str]]


class TokenFile:
    """The token in a file, read each time: it may have been renewed meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self) -> str:
        """The token; raises UnavailableError if the file cannot be read."""
        return _text(self._path, "the token's file")


class ClientCredentials:
    """Tokens by RFC 6749 section 4.4, kept until shortly before they end."""

    def __init__(self, issuer: str, client_id: str, secret_file: Path, audience: str, clock: Clock) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._secret_file = secret_file
        self._audience = audience
        self._clock = clock
        self._kept = ("", 0.0)
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """A token that is good for a while; raises UnavailableError if the issuer gives none."""
        async with self._lock:
            token, until = self._kept
            if self._clock.monotonic() >= until - RENEW_BEFORE_S:
                token, life = await self._ask()
                self._kept = (token, self._clock.monotonic() + life)
            return token

    async def _ask(self) -> tuple[str, float]:
        secret = _text(self._secret_file, "the client's secret file")
        form = {"grant_type": "client_credentials", "audience": self._audience}
        try:
            async with aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), trust_env=True, raise_for_status=True
            ) as session:
                async with session.get(f"{self._issuer}/.well-known/openid-configuration") as metadata:
                    endpoint = str((await metadata.json(content_type=None))["token_endpoint"])
                headers = {"Authorization": aiohttp.encode_basic_auth(self._client_id, secret)}
                async with session.post(endpoint, data=form, headers=headers, allow_redirects=False) as answer:
                    content = await answer.json(content_type=None)
            return str(content["access_token"]), float(content.get("expires_in") or SHORTEST_LIFE_S)
        except aiohttp.ClientResponseError as error:
            why = f"the issuer answered with status {error.status}"
        except (aiohttp.ClientError, TimeoutError, OSError):
            why = "the issuer cannot be reached"
        except (ValueError, KeyError, TypeError):
            why = "the issuer's answer holds no token"
        raise UnavailableError(f"no access token: {why}")


def _text(path: Path, what: str) -> str:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"no access token: {what} cannot be read") from error
    if not found:
        raise UnavailableError(f"no access token: {what} is empty")
    return found
