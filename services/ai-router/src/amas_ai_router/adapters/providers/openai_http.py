"""Providers that speak the OpenAI API: the body goes through as it is, but for `model`.

It must never follow a redirect (the key would go along), use a proxy from the environment, or hold more of an answer
than the bound allows.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import orjson

from amas_ai_router.adapters.key_pool import KeyPool
from amas_ai_router.domain.bodies import parse_answer
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target

from .failures import TRANSPORT_ERRORS, expect, failed_status, shown_cause, transport_failure
from .openai_stream import OpenAiStream
from .openai_urls import address, authentication
from .stream_options import StreamOptions

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
# After [DONE] only the end of the HTTP message is to come: seconds to wait for it before the connection is given up,
# and most connections that wait so at once.
LINGER_SECONDS = 1.0
MAX_LINGERING = 512

_JSON = "application/json"
_EVENTS = "text/event-stream"
_STREAM_ONLY = ("stream", "stream_options")


class OpenAiHttp:
    """One session for the life of the process; make it inside the event loop."""

    def __init__(self, keys: KeyPool, *, max_response_bytes: int, connect_timeout: float) -> None:
        self._keys = keys
        self._max_bytes = max_response_bytes
        self._options = StreamOptions()
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

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        body = _body(target, {key: value for key, value in fields.items() if key not in _STREAM_ONLY})

        async def attempt(key: str | None) -> bytes:
            response = await self._post(target, operation, body, key, accept=_JSON)
            try:
                return await self._read(response)
            finally:
                # Without effect once all was read; else the connection is of no more use.
                response.close()

        try:
            async with asyncio.timeout(target.total):
                content = await self._keys.run(target, attempt)
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        return ProviderAnswer(content, parse_answer(operation, content))

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> OpenAiStream:
        """See ports.Providers."""
        fields = self._options.taken(target, fields)
        try:
            return await self._open(target, fields)
        except RejectedError as error:
            without = self._options.without(error, fields)
            if without is None:
                raise
            stream = await self._open(target, without)
            self._options.learn(target, fields)
            return stream

    async def _open(self, target: Target, fields: dict[str, Any]) -> OpenAiStream:
        body = _body(target, fields)

        async def attempt(key: str | None) -> aiohttp.ClientResponse:
            return await self._post(target, Operation.CHAT, body, key, accept=_EVENTS)

        try:
            response = await self._keys.run(target, attempt)
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        return OpenAiStream(response, self._give_back, single=fields.get("n") in (None, 1))

    async def _post(
        self, target: Target, operation: Operation, body: bytes, key: str | None, *, accept: str
    ) -> aiohttp.ClientResponse:
        """A response with status 200 and the right content type; the caller closes it."""
        # A compressed answer could grow past its bound in one step.
        headers = {"Content-Type": _JSON, "Accept": accept, "Accept-Encoding": "identity"}
        if key is not None:
            name, value = authentication(target, key)
            headers[name] = value
        response = await self._session.post(
            address(target, operation),
            data=body,
            headers=headers,
            allow_redirects=False,
            read_bufsize=STREAM_BUFFER_BYTES if accept is _EVENTS else None,
        )
        try:
            if response.status != 200:
                raise failed_status(response.status, response.headers, await _error_body(response), key)
            expect(response.headers, accept)
        except BaseException:
            response.close()
            raise
        return response

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
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

    def _give_back(self, response: aiohttp.ClientResponse) -> None:
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


def _body(target: Target, fields: dict[str, Any]) -> bytes:
    return orjson.dumps({**fields, "model": target.model})
