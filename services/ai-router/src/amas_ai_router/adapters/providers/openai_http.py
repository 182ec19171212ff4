"""Providers that speak the OpenAI API: the body goes through as it is, but for `model`.

It must never follow a redirect (the key would go along), use a proxy from the environment, or hold more of an answer
than the bound allows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import aiohttp
import orjson

from amas_ai_router.adapters.key_files import KeyFiles
from amas_ai_router.domain.bodies import parse_answer
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target

from .events import EventReader, EventTooLargeError
from .failures import failed_status, wrapped

# Connections to all providers together.
MAX_CONNECTIONS = 4096
# Shorter than the 5 s after which common servers hang up, so that a request never meets a closing connection.
KEEP_ALIVE_SECONDS = 4.0
# An error body larger than this is cut (bytes).
MAX_ERROR_BYTES = 64 * 1024
DONE = b"[DONE]"

_PATHS = {Operation.CHAT: "/chat/completions", Operation.EMBEDDINGS: "/embeddings"}
_STREAM_ONLY = ("stream", "stream_options")


class OpenAiHttp:
    """One session for the life of the process; make it inside the event loop."""

    def __init__(self, keys: KeyFiles, *, max_response_bytes: int, connect_timeout: float) -> None:
        self._keys = keys
        self._max_bytes = max_response_bytes
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
        await self._session.close()

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        body = {key: value for key, value in fields.items() if key not in _STREAM_ONLY}
        with wrapped():
            async with asyncio.timeout(target.total):
                response = await self._post(target, operation, body, "application/json")
                try:
                    if response.status != 200:
                        raise await _refusal(response)
                    _expect(response, "application/json")
                    content = await self._read(response)
                finally:
                    # Without effect once all was read; else the connection is of no more use.
                    response.close()
        return ProviderAnswer(content, parse_answer(operation, content))

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> OpenAiStream:
        """See ports.Providers."""
        with wrapped():
            response = await self._post(target, Operation.CHAT, fields, "text/event-stream")
            try:
                if response.status != 200:
                    raise await _refusal(response)
                _expect(response, "text/event-stream")
            except BaseException:
                response.close()
                raise
        return OpenAiStream(response)

    async def _post(
        self, target: Target, operation: Operation, fields: dict[str, Any], accept: str
    ) -> aiohttp.ClientResponse:
        if target.api != "openai":
            raise AttemptError(FailureReason.API_UNSUPPORTED, target.api)
        # A compressed answer could grow past its bound in one step.
        headers = {"Content-Type": "application/json", "Accept": accept, "Accept-Encoding": "identity"}
        key = self._keys.next_key(target.key_files)
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return await self._session.post(
            target.base_url + _PATHS[operation],
            data=orjson.dumps({**fields, "model": target.model}),
            headers=headers,
            allow_redirects=False,
        )

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


class OpenAiStream:
    """The events of one answer. Nothing is read ahead of what is asked for, so a slow reader slows the provider."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._reader = EventReader()
        self._ready: deque[bytes] = deque()

    async def next(self) -> bytes | None:
        """See ports.ProviderStream. A stream that ends without [DONE] was cut."""
        while not self._ready:
            with wrapped():
                piece = await self._response.content.readany()
            if not piece:
                raise AttemptError(FailureReason.CONNECTION_LOST, "the stream ended without [DONE]")
            try:
                self._ready.extend(self._reader.feed(piece))
            except EventTooLargeError as error:
                raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, "one event") from error
        data = self._ready.popleft()
        return None if data == DONE else data

    async def close(self) -> None:
        """See ports.ProviderStream."""
        self._response.close()


def _expect(response: aiohttp.ClientResponse, content_type: str) -> None:
    if response.content_type != content_type:
        raise AttemptError(FailureReason.RESPONSE_INVALID, f"content type {response.content_type[:80]}")


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    body = await response.content.read(MAX_ERROR_BYTES)
    return failed_status(response.status, response.headers.get("Retry-After"), body)
