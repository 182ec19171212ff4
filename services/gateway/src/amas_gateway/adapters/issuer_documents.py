"""Fetches the issuer's discovery document and key set over HTTP, trusting neither their size nor their contents."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

# Bytes. A key set of 64 RSA keys has about 50 KB.
MAX_DOCUMENT_BYTES = 131_072
TIMEOUT_SECONDS = 5.0
MAX_URL = 2048
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")


class IssuerUnavailableError(Exception):
    """The issuer did not answer, or answered something that is not usable. The text is for our log alone."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object and how long the issuer lets it be kept (seconds, None: it did not say)."""

    content: dict[str, object]
    max_age: int | None


class IssuerDocuments:
    """Reads documents of one issuer. Plain HTTP is taken from loopback alone."""

    def __init__(self, session: aiohttp.ClientSession, issuer: str) -> None:
        check_url(issuer)
        self._session = session
        self._issuer = issuer

    async def key_set_url(self) -> str:
        """`jwks_uri` of the discovery document, whose `issuer` must be ours to the letter (OpenID Discovery 4.3)."""
        document = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.content.get("issuer") != self._issuer:
            raise IssuerUnavailableError("the discovery document is another issuer's")
        url = document.content.get("jwks_uri")
        if not isinstance(url, str):
            raise IssuerUnavailableError("the discovery document has no jwks_uri")
        try:
            check_url(url)
        except ValueError as error:
            raise IssuerUnavailableError(f"jwks_uri: {error}") from error
        return url

    async def key_set(self, url: str) -> Document:
        """The key set as it is published."""
        return await self._get(url)

    async def _get(self, url: str) -> Document:
        try:
            async with self._session.get(
                url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            ) as response:
                if response.status != 200:
                    raise IssuerUnavailableError(f"{url} answered {response.status}")
                body = await _bounded(response)
                max_age = _MAX_AGE.search(response.headers.get("Cache-Control", "").lower())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise IssuerUnavailableError(f"{url}: {type(error).__name__}") from error
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise IssuerUnavailableError(f"{url} is not JSON") from error
        if not isinstance(content, dict):
            raise IssuerUnavailableError(f"{url} is not a JSON object")
        return Document(content, int(max_age[1]) if max_age else None)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > MAX_DOCUMENT_BYTES:
            raise IssuerUnavailableError(f"{response.url} is larger than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(parts)


def check_url(url: str) -> None:
    """Raises ValueError unless the URL is https, or http to loopback, and names a host only."""
    parts = urlsplit(url)
    if len(url) > MAX_URL or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError("must be a URL with a host and without credentials or fragment")
    if parts.scheme == "http" and _is_loopback(parts.hostname):
        return
    if parts.scheme != "https":
        raise ValueError("must begin with https:// (http:// is taken for loopback alone)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
