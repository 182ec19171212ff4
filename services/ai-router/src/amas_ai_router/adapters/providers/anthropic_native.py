"""Anthropic's Messages API by its official library, which is heavy: by_api.py loads this module when it is needed.

The library signs and sends; retries, time-outs, bounds and tracing are ours. It must never read the environment, follow
a redirect, or hold more of an answer than the bound allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import anthropic
import httpx2
import orjson
from anthropic import AsyncAnthropic
from anthropic._response import AsyncAPIResponse

from amas_ai_router.adapters.key_pool import KeyPool
from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target

from .anthropic_translate import Events, from_message, to_messages
from .chat_request import read_chat
from .events import EventReader, EventTooLargeError
from .failures import expect, failed_status
from .http_session import JSON, HttpSession

# Connections to all providers of this API together.
MAX_CONNECTIONS = 16_384
# As in openai_http.py: shorter than the 5 s after which servers hang up.
KEEP_ALIVE_SECONDS = 4.0
# Clients kept ready, one for each address and key.
MAX_CLIENTS = 256
# Wait for the end of an HTTP message whose content is complete, in seconds.
LINGER_SECONDS = 0.05
# An error body larger than this is cut (bytes).
MAX_ERROR_BYTES = 64 * 1024
# Everything that sending and reading can fail with.
_FAILURES = (anthropic.AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, OSError)
_Response = AsyncAPIResponse[Any]


def make(keys: KeyPool, http: HttpSession, *, max_response_bytes: int, connect_timeout: float) -> AnthropicNative:
    """The adapter; the library brings HTTP of its own."""
    return AnthropicNative(keys, max_response_bytes=max_response_bytes, connect_timeout=connect_timeout)


class AnthropicNative:
    """One pool of connections for the life of the process; make it inside the event loop."""

    def __init__(self, keys: KeyPool, *, max_response_bytes: int, connect_timeout: float) -> None:
        self._keys = keys
        self._max_bytes = max_response_bytes
        limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_SECONDS)
        self._http = httpx2.AsyncClient(
            transport=_CutErrors(
                httpx2.AsyncHTTPTransport(verify=ssl.create_default_context(), trust_env=False, limits=limits)
            ),
            timeout=httpx2.Timeout(None, connect=connect_timeout, pool=connect_timeout),
            follow_redirects=False,
            trust_env=False,
        )
        self._clients: BoundedCache[tuple[str, str], AsyncAnthropic] = BoundedCache(MAX_CLIENTS)
        # At level debug these log bodies, which are the callers', and headers.
        for name in ("anthropic", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)

    async def close(self) -> None:
        """Ends all connections."""
        await self._http.aclose()

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        if operation is not Operation.CHAT:
            raise AttemptError(FailureReason.API_UNSUPPORTED, f"{target.api} has no {operation}")
        body = to_messages(read_chat(fields), model=target.model, most_tokens=target.max_output_tokens)

        async def attempt(key: str | None) -> bytes:
            response = await self._post(target, body, key, accept=JSON)
            try:
                return await self._read(response)
            except _FAILURES as error:
                raise _failure(error, key) from _shown_cause(error)
            finally:
                await response.close()

        try:
            async with asyncio.timeout(target.total):
                content = await self._keys.run(target, attempt)
        except TimeoutError as error:
            raise AttemptError(FailureReason.TIMEOUT, "no answer in time") from error
        try:
            message = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer is not valid JSON") from error
        return from_message(message, int(time.time()))

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> AnthropicStream:
        """See ports.Providers."""
        request = read_chat(fields)
        body = to_messages(request, model=target.model, most_tokens=target.max_output_tokens)
        body["stream"] = True

        async def attempt(key: str | None) -> _Response:
            return await self._post(target, body, key, accept="text/event-stream")

        response = await self._keys.run(target, attempt)
        return AnthropicStream(response, Events(int(time.time()), reports_usage=request.reports_usage))

    async def _post(self, target: Target, body: dict[str, Any], key: str | None, *, accept: str) -> _Response:
        """A response with a good status and the right content type, its body unread; the caller closes it."""
        if key is None:
            raise AttemptError(FailureReason.KEY_MISSING, "this API needs a key")
        # A compressed answer could grow past its bound in one step.
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if target.api_version:
            headers["anthropic-version"] = target.api_version
        create = self._client(target.base_url, key).messages.with_streaming_response.create
        try:
            # The library knows fewer fields than the API has, so the body goes as it is.
            opening = create(
                model=target.model,
                max_tokens=body["max_tokens"],
                messages=[],
                stream=body.get("stream", False),
                extra_body=body,
                extra_headers=headers,
            )
            response = cast("_Response", await opening.__aenter__())
        except _FAILURES as error:
            raise _failure(error, key) from _shown_cause(error)
        try:
            expect(response.headers, accept)
        except AttemptError:
            await response.close()
            raise
        return response

    def _client(self, base_url: str, key: str) -> AsyncAnthropic:
        client = self._clients.get((base_url, key))
        if client is None:
            client = AsyncAnthropic(
                api_key=key,
                # The library adds the version to the path itself.
                base_url=base_url.removesuffix("/v1"),
                max_retries=0,
                timeout=self._http.timeout,
                http_client=self._http,
                open_telemetry=False,
            )
            # Else headers from ANTHROPIC_CUSTOM_HEADERS would go along: only settings.py reads the environment.
            client._custom_headers = {}
            self._clients.put((base_url, key), client)
        return client

    async def _read(self, response: _Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.http_response.aiter_raw():
            size += len(part)
            if size > self._max_bytes:
                raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, f"more than {self._max_bytes} bytes")
            parts.append(part)
        return b"".join(parts)


class AnthropicStream:
    """One streamed answer as chunks. Nothing is read ahead of what is asked for."""

    __slots__ = ("_events", "_pieces", "_reader", "_ready", "_response")

    def __init__(self, response: _Response, events: Events) -> None:
        self._response = response
        self._events = events
        self._pieces = response.http_response.aiter_raw()
        self._reader = EventReader()
        # Last first.
        self._ready: list[bytes] = []

    async def next(self) -> bytes | None:
        """See ports.ProviderStream. A stream that ends before its message is whole was cut."""
        while not self._ready:
            if self._events.done:
                return None
            await self._read()
        return self._ready.pop()

    async def close(self) -> None:
        """See ports.ProviderStream."""
        if self._events.done:
            # The end of the HTTP message comes right behind; a connection that was read to it serves the next call.
            with contextlib.suppress(TimeoutError, *_FAILURES):
                async with asyncio.timeout(LINGER_SECONDS):
                    await anext(self._pieces, None)
        await self._response.close()

    async def _read(self) -> None:
        try:
            piece = await anext(self._pieces, None)
        except _FAILURES as error:
            raise _failure(error, None) from _shown_cause(error)
        if piece is None:
            raise AttemptError(FailureReason.CONNECTION_LOST, "the stream ended before the message did")
        try:
            events = [orjson.loads(data) for data in self._reader.feed(piece) if data]
        except EventTooLargeError as error:
            raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, "one event") from error
        except orjson.JSONDecodeError as error:
            raise AttemptError(FailureReason.RESPONSE_INVALID, "an event is not valid JSON") from error
        self._ready = [chunk for event in events for chunk in self._events.feed(event)]
        self._ready.reverse()


class _CutErrors(httpx2.AsyncBaseTransport):
    """Bounds what the library reads of an error by itself, and never lets it decompress one."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.status_code != 200:
            response.headers.pop("content-encoding", None)
            response.stream = _Cut(cast("httpx2.AsyncByteStream", response.stream))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Cut(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._inner:
            yield part
            size += len(part)
            if size > MAX_ERROR_BYTES:
                return

    async def aclose(self) -> None:
        await self._inner.aclose()


def _failure(error: Exception, key: str | None) -> AttemptError | RejectedError:
    """What a failure of the library or of its connection stands for."""
    if isinstance(error, anthropic.APIStatusError):
        return failed_status(error.status_code, error.response.headers, error.response.content, key)
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    name = type(cause or error).__name__
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.InvalidURL):
        return AttemptError(FailureReason.CONNECT_FAILED, name)
    if isinstance(cause, httpx2.TimeoutException | TimeoutError):
        return AttemptError(FailureReason.TIMEOUT, name)
    if isinstance(cause, httpx2.TransportError | OSError):
        return AttemptError(FailureReason.CONNECTION_LOST, name)
    return AttemptError(FailureReason.RESPONSE_INVALID, name)


def _shown_cause(error: Exception) -> Exception | None:
    """The cause to chain: not one whose text is the provider's body."""
    return None if isinstance(error, anthropic.APIStatusError) else error
