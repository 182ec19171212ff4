"""Bedrock's Converse API: signed and framed by botocore, sent by our own HTTP.

Of botocore only its signature (SigV4) and its parser of event streams are used. Its clients must never be: they read
the environment and files of the home folder, hold whole answers without a bound, and retry. by_api.py loads this module
when it is needed.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from botocore.auth import SigV4Auth  # type: ignore[import-untyped]  # has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # has no types
from botocore.credentials import Credentials  # type: ignore[import-untyped]  # has no types
from botocore.eventstream import EventStreamBuffer, ParserError  # type: ignore[import-untyped]  # has no types
from yarl import URL

from amas_ai_router.adapters.key_pool import KeyPool
from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import Operation, ProviderAnswer, Target

from .bedrock_translate import ConverseEvents, from_converse, to_converse
from .chat_request import read_chat
from .failures import TRANSPORT_ERRORS, shown_cause, transport_failure
from .http_session import JSON, HttpSession

# Longest message of an event stream that is waited for, in bytes.
MAX_MESSAGE_BYTES = 1024 * 1024
# A key file with an access key holds ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN; these ids begin so.
_ACCESS_KEYS = ("AKIA", "ASIA")
_EVENTS = "application/vnd.amazon.eventstream"
_SERVICE = "bedrock"
_LIMITED = frozenset({"throttlingException"})


def make(keys: KeyPool, http: HttpSession, *, max_response_bytes: int, connect_timeout: float) -> BedrockNative:
    """The adapter over the HTTP that all providers share, which knows the bounds already."""
    return BedrockNative(keys, http)


class BedrockNative:
    """Converse and ConverseStream."""

    def __init__(self, keys: KeyPool, http: HttpSession) -> None:
        self._keys = keys
        self._http = http

    async def close(self) -> None:
        """Nothing of its own to end."""

    async def ask(self, target: Target, operation: Operation, fields: dict[str, Any]) -> ProviderAnswer:
        """See ports.Providers."""
        if operation is not Operation.CHAT:
            raise AttemptError(FailureReason.API_UNSUPPORTED, f"{target.api} has no {operation}")
        body = orjson.dumps(to_converse(read_chat(fields), most_tokens=target.max_output_tokens))

        async def attempt(key: str | None) -> tuple[str, bytes]:
            response = await self._post(target, "converse", body, key, accept=JSON)
            return _identity(response), await self._http.read(response)

        try:
            async with asyncio.timeout(target.total):
                identity, content = await self._keys.run(target, attempt)
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer is not valid JSON") from error
        return from_converse(answer, identity=identity, model=target.model, created=int(time.time()))

    async def open_stream(self, target: Target, fields: dict[str, Any]) -> BedrockStream:
        """See ports.Providers."""
        request = read_chat(fields)
        body = orjson.dumps(to_converse(request, most_tokens=target.max_output_tokens))

        async def attempt(key: str | None) -> aiohttp.ClientResponse:
            return await self._post(target, "converse-stream", body, key, accept=_EVENTS)

        try:
            response = await self._keys.run(target, attempt)
        except TRANSPORT_ERRORS as error:
            raise transport_failure(error) from shown_cause(error)
        events = ConverseEvents(
            identity=_identity(response),
            model=target.model,
            created=int(time.time()),
            reports_usage=request.reports_usage,
        )
        return BedrockStream(response, events, self._http)

    async def _post(
        self, target: Target, operation: str, body: bytes, key: str | None, *, accept: str
    ) -> aiohttp.ClientResponse:
        if key is None:
            raise AttemptError(FailureReason.KEY_MISSING, "this API needs a key")
        url = f"{target.base_url}/model/{quote(target.model, safe='')}/{operation}"
        headers, secret = _authorised(url, body, key, target.region)
        return await self._http.post(URL(url, encoded=True), body, headers, accept=accept, secret=secret)


class BedrockStream:
    """One streamed answer as chunks. Nothing is read ahead of what is asked for."""

    __slots__ = ("_buffer", "_events", "_http", "_pending", "_ready", "_response")

    def __init__(self, response: aiohttp.ClientResponse, events: ConverseEvents, http: HttpSession) -> None:
        self._response = response
        self._events = events
        self._http = http
        self._buffer = EventStreamBuffer()
        # Bytes that were read since a message ended last.
        self._pending = 0
        # Last first.
        self._ready: list[bytes] = []

    async def next(self) -> bytes | None:
        """See ports.ProviderStream. A stream that ends before its message stopped was cut."""
        while not self._ready:
            if self._events.done:
                return None
            try:
                piece = await self._response.content.readany()
            except TRANSPORT_ERRORS as error:
                raise transport_failure(error) from shown_cause(error)
            if not piece:
                if self._events.finished and not self._pending:
                    return None
                raise AttemptError(FailureReason.CONNECTION_LOST, "the stream ended before the message did")
            self._take(piece)
        return self._ready.pop()

    async def close(self) -> None:
        """See ports.ProviderStream."""
        if self._events.done:
            self._http.give_back(self._response)
        else:
            self._response.close()

    def _take(self, piece: bytes) -> None:
        self._buffer.add_data(piece)
        self._pending += len(piece)
        chunks: list[bytes] = []
        try:
            for message in self._buffer:
                self._pending -= message.prelude.total_length
                chunks += self._event(message.headers, message.payload)
        except (ParserError, struct.error, KeyError, ValueError) as error:
            raise AttemptError(FailureReason.RESPONSE_INVALID, "no message of an event stream") from error
        if self._pending > MAX_MESSAGE_BYTES:
            raise AttemptError(FailureReason.RESPONSE_TOO_LARGE, "one event")
        chunks.reverse()
        self._ready = chunks

    def _event(self, headers: dict[str, Any], payload: bytes) -> list[bytes]:
        if headers.get(":message-type") != "event":
            kind = str(headers.get(":exception-type") or headers.get(":error-code"))[:80]
            reason = FailureReason.RATE_LIMITED if kind in _LIMITED else FailureReason.SERVER_ERROR
            # Inside a 200 nothing is certain: the provider had begun.
            raise AttemptError(reason, f"{kind} inside the stream", processed=True)
        return self._events.feed(str(headers.get(":event-type")), orjson.loads(payload))


def _authorised(url: str, body: bytes, key: str, region: str) -> tuple[dict[str, str], str]:
    """Headers that carry or prove a key, and the part of it that nobody may see."""
    identity, _, rest = key.partition(":")
    if not rest or not identity.startswith(_ACCESS_KEYS):
        return {"Authorization": f"Bearer {key}"}, key
    secret, _, token = rest.partition(":")
    request = AWSRequest("POST", url, headers={"Content-Type": JSON}, data=body)
    SigV4Auth(Credentials(identity, secret, token or None), _SERVICE, region).add_auth(request)
    return {name: str(value) for name, value in request.headers.items()}, secret


def _identity(response: aiohttp.ClientResponse) -> str:
    return f"chatcmpl-{response.headers.get('x-amzn-requestid', '')[:128]}"
