"""The way out to a tool server over HTTP: to the addresses that were checked, and to the server's own origin alone.

Its name is resolved once a session. Connections go to what was found and allowed then, so an answer that changes later
leads nowhere; the certificate is still held against the name. It must never follow a redirect to anywhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx2
from aiohttp.abc import AbstractResolver
from amas_chassis.egress import AddressRefusedError, CheckedResolver

from amas_policy_sidecar.domain.errors import ADDRESS_REFUSED, REDIRECT_REFUSED, ToolFailed

# Seconds to look a name up.
RESOLVE_TIMEOUT = 5.0
# Addresses of one name that are tried; each may take the whole time to connect.
MAX_ADDRESSES = 4
_PORTS = {"http": 80, "https": 443}


def server_url(url: str) -> httpx2.URL:
    """The parsed URL; raises ToolFailed TOOL_ADDRESS_REFUSED for a host in a spelling that has no single reading."""
    try:
        return httpx2.URL(url)
    except httpx2.InvalidURL as error:
        message = "the tool server's transport.http.url names no host that can be checked"
        raise ToolFailed(ADDRESS_REFUSED, message, sent=False) from error


async def allowed_addresses(url: httpx2.URL, networks: Sequence[str], resolver: AbstractResolver) -> Sequence[str]:
    """Where the host of `url` is now, public or in `networks` (CIDR) every one.

    Raises ToolFailed TOOL_ADDRESS_REFUSED if one of them is not, OSError or TimeoutError if the name leads nowhere.
    """
    checked = CheckedResolver(resolver, networks)
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT):
            found = await checked.resolve(url.raw_host.decode("ascii"), _port(url))
    except AddressRefusedError as error:
        where = "if that is meant, name its network in transport.http.egress.networks"
        message = f"{url.host} is not at a public address: {where}"
        raise ToolFailed(ADDRESS_REFUSED, message, sent=False) from error
    return list(dict.fromkeys(result["host"] for result in found))[:MAX_ADDRESSES]


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Sends requests for one origin to given addresses; `on_refused` hears of what would have left it."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        url: httpx2.URL,
        addresses: Sequence[str],
        on_refused: Callable[[ToolFailed], None],
    ) -> None:
        self._inner = inner
        self._origin = _origin(url)
        self._host = url.raw_host.decode("ascii")
        self._addresses = list(addresses)
        self._on_refused = on_refused

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer of the first address that takes the connection; raises httpx2.RequestError."""
        if _origin(request.url) != self._origin:
            raise self._refused()
        response = await self._send(request)
        if _leaves(request.url, response, self._origin):
            await response.aclose()
            raise self._refused()
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        failure: httpx2.RequestError = httpx2.ConnectError("the name has no address")
        for address in tuple(self._addresses):
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                # Its Host header names the server still.
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": self._host},
            )
            try:
                response = await self._inner.handle_async_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
                # The next request begins with another one.
                self._addresses.append(self._addresses.pop(0))
                continue
            return response
        raise failure

    def _refused(self) -> httpx2.RequestError:
        message = "the tool server points to another origin: set transport.http.url to where it is"
        self._on_refused(ToolFailed(REDIRECT_REFUSED, message, sent=True))
        return httpx2.RequestError(message)


def _leaves(url: httpx2.URL, response: httpx2.Response, origin: tuple[str, str, int]) -> bool:
    if not response.has_redirect_location:
        return False
    try:
        return _origin(url.join(response.headers["location"])) != origin
    except httpx2.InvalidURL:
        return True


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, _port(url)


def _port(url: httpx2.URL) -> int:
    return url.port or _PORTS.get(url.scheme, 0)
