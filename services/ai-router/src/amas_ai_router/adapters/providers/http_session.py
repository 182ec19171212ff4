"""The HTTP of all providers that are spoken to without a library of their own.

It must never follow a redirect (the key would go along), use a proxy from the environment, or hold more of an answer
than the bound allows.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
from yarl import URL

from amas_ai_router.domain.errors import AttemptError, FailureReason

from .failures import expect, failed_status

# Connections to all providers together: 10,000 streams, and calls beside them.
MAX_CONNECTIONS = 16_384
# Shorter than the 5 s after which common servers hang up, so that a request never meets a closing connection.
KEEP_ALIVE_SECONDS = 4.0
# An error body larger than this is cut (bytes).
MAX_ERROR_BYTES = 64 * 1024
# An error body that takes longer is left (seconds).
ERROR_BODY_SECONDS = 0.25
# aiohttp stops reading a stream's socket when twice this many bytes wait for a reader.
STREAM_BUFFER_BYTES = 16 * 1024
# After the last event only the end of the HTTP message is to come: seconds to wait for it before the connection is
# given up, and most connections that wait so at once.
LINGER_SECONDS = 1.0
MAX_LINGERING = 512

JSON = "application/json"


class HttpSession:
    """One session for the life of the process; make it inside the event loop."""

    def __init__(self, *, max_response_bytes: int, connect_timeout: float) -> None:
        self._max_bytes = max_response_bytes
        self._lingering: set[aiohttp.ClientResponse] = set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Nobody asked for compression; whoever sends it all the same sends no JSON.
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
            trust_env=False,
        )

    async def close(self) -> None:
        """Ends the session."""
        for response in tuple(self._lingering):
            self._give_up(response)
        await self._session.close()

    async def post(
        self, url: URL, body: bytes, headers: dict[str, str], *, accept: str, secret: str | None
    ) -> aiohttp.ClientResponse:
        """A response with status 200 and the right content type, its body unread; the caller closes it.

        Raises AttemptError, RejectedError (whose words never hold the secret), or one of TRANSPORT_ERRORS.
        """
        # A compressed answer could grow past its bound in one step.
        known = {"Content-Type": JSON, "Accept": accept, "Accept-Encoding": "identity"}
        response = await self._session.post(
            url,
            data=body,
            headers=known | headers,
            allow_redirects=False,
            read_bufsize=None if accept is JSON else STREAM_BUFFER_BYTES,
        )
        try:
            if response.status != 200:
                raise failed_status(response.status, response.headers, await _error_body(response), secret)
            expect(response.headers, accept)
        except BaseException:
            response.close()
            raise
        return response

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, within the bound; the response is closed."""
        try:
            if (response.content_length or 0) > self._max_bytes:
                raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, "by its declared length")
            parts: list[bytes] = []
            size = 0
            async for part in response.content.iter_any():
                size += len(part)
                if size > self._max_bytes:
                    raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, f"more than {self._max_bytes} bytes")
                parts.append(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            # Without effect once all was read; else the connection is of no more use.
            response.close()

    def give_back(self, response: aiohttp.ClientResponse) -> None:
        """Keeps the connection of a finished stream for the next call, if the message ends soon."""
        if response.closed:
            return
        if len(self._lingering) >= MAX_LINGERING:
            response.close()
            return
        self._lingering.add(response)
        timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._give_up, response)

        def ended() -> None:
            timer.cancel()
            self._lingering.discard(response)

        response.content.on_eof(ended)

    def _give_up(self, response: aiohttp.ClientResponse) -> None:
        self._lingering.discard(response)
        response.close()


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    """The body of an error, as far as it comes soon: the status says what matters."""
    parts: list[bytes] = []
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            async for part in response.content.iter_any():
                parts.append(part)
                size += len(part)
                if size > MAX_ERROR_BYTES:
                    break
    return b"".join(parts)
