"""The HTTP surface as a plain ASGI application: completions, embeddings, models. Holds no state between requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from . import completion, misbehaviour, model_names
from .conversation import Conversation
from .embedding import DEFAULT_DIMENSIONS, MAX_DIMENSIONS

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A request larger than this is refused, in bytes.
MAX_REQUEST_BYTES = 32 * 1024 * 1024
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
_MEBIBYTE = b"x" * (1024 * 1024)


class RequestRefusedError(Exception):
    """A request that gets a status and an error body instead of an answer."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = completion.error(message, "invalid_request_error", code)


class ScriptedProvider:
    """ASGI application; `latency` and `slow` are delays in seconds."""

    def __init__(self, *, latency: float = 0.0, slow: float = 30.0) -> None:
        self._latency = latency
        self._slow = slow

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            return
        try:
            await self._serve(scope, receive, send)
        except RequestRefusedError as refused:
            await _respond(send, refused.body, refused.status)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._complete(receive, send)
            case "POST", "/v1/embeddings":
                await self._embed(receive, send)
            case "GET", "/v1/models":
                await _respond(send, completion.models())
            case method, path:
                raise RequestRefusedError(404, f"Invalid URL ({method} {path})", "unknown_url")

    async def _complete(self, receive: Receive, send: Send) -> None:
        raw = await _read(receive)
        body = _parse(raw)
        model = _model(body)
        if not isinstance(body.get("messages"), list) or not body["messages"]:
            raise RequestRefusedError(400, "'messages' must be a non-empty list")
        await self._delay(model)
        if model == model_names.ERROR:
            await _respond(send, completion.error("the scripted model failed", "server_error"), 500)
            return
        stream = body.get("stream") is True
        if model == model_names.MEGABYTES:
            await _flood(send, stream=stream)
            return
        conversation = Conversation(body)
        answer = misbehaviour.answer(model, conversation)
        whole = completion.Completion(model, raw, conversation, answer)
        if not stream:
            await _respond(send, whole.body())
            return
        options = body.get("stream_options")
        include_usage = isinstance(options, dict) and options.get("include_usage") is True
        await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        for chunk in whole.chunks(include_usage=include_usage):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _embed(self, receive: Receive, send: Send) -> None:
        body = _parse(await _read(receive))
        model = _model(body)
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
            raise RequestRefusedError(400, "'input' must be a string or a non-empty list of strings")
        dimensions = body.get("dimensions", DEFAULT_DIMENSIONS)
        if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
            raise RequestRefusedError(400, f"'dimensions' must be between 1 and {MAX_DIMENSIONS}")
        encoding = body.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise RequestRefusedError(400, "'encoding_format' must be 'float' or 'base64'")
        await self._delay(model)
        await _respond(send, completion.embeddings(model, texts, dimensions, base64=encoding == "base64"))

    async def _delay(self, model: str) -> None:
        delay = self._latency + (self._slow if model == model_names.SLOW else 0)
        if delay > 0:
            await asyncio.sleep(delay)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise RequestRefusedError(400, "the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise RequestRefusedError(400, "the body must be a JSON object")
    return body


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if model not in model_names.MODELS:
        raise RequestRefusedError(404, f"The model `{model}` does not exist", "model_not_found")
    return str(model)


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestRefusedError(400, "the client went away")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_REQUEST_BYTES:
            raise RequestRefusedError(413, "the request is too large")
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _respond(send: Send, body: bytes, status: int = 200) -> None:
    headers = [*_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _flood(send: Send, *, stream: bool) -> None:
    """An answer of megabytes, in one string or in one event that does not end."""
    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS if stream else _JSON})
    opening = b'{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"'
    await send({"type": "http.response.body", "body": (b"data: " if stream else b"") + opening, "more_body": True})
    for _ in range(misbehaviour.MEGABYTES_SIZE // len(_MEBIBYTE)):
        await send({"type": "http.response.body", "body": _MEBIBYTE, "more_body": True})
    await send({"type": "http.response.body", "body": b'"}}]}' + (b"\n\n" if stream else b"")})
