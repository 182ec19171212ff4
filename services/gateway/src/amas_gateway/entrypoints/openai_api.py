"""The OpenAI-compatible API: /v1/chat/completions, /v1/models, /v1/embeddings.

A plain ASGI application, because this is the hot path. The client's JSON goes to the router and the model's JSON to the
client as they are; only `model`, which names a route, and `stream` are looked at.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import orjson
from amas_chassis.errors import AmasError

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import Chunk, ModelCall, Principal, Report, StreamEnd
from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.access import Access, Caller
from amas_gateway.entrypoints.http_edge import CALLER, Receive, Scope, Send
from amas_gateway.entrypoints.http_errors import Header, HttpError
from amas_gateway.usecases.catalogue import Catalogue

ResultT = TypeVar("ResultT")

MAX_ROUTE = 127
MAX_IDEMPOTENCY_KEY = 200
_JSON: Header = (b"content-type", b"application/json")

_log = logging.getLogger(__name__)


class ClientGoneError(Exception):
    """The client closed the connection; there is nobody to answer."""


class OpenAiApi:
    """Serves the three paths; the edge has identified the caller and read the body."""

    def __init__(self, verbs: Catalogue, access: Access) -> None:
        self._verbs = verbs
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        expected = "GET" if scope["path"] == "/v1/models" else "POST"
        if scope["method"] != expected:
            raise HttpError(405, "METHOD_NOT_ALLOWED", f"Only {expected} is answered here.")
        begun = time.perf_counter()
        caller: Caller = scope[CALLER]
        principal = await self._access.admit(caller, Action.MODEL_CALL)
        try:
            if expected == "GET":
                body, report = await self._models(principal), Report()
            else:
                call, streams = _model_call(scope, (await receive())["body"])
                if scope["path"] == "/v1/embeddings":
                    answer = await _unless_gone(self._verbs.embed_text(principal, call), receive)
                elif streams:
                    await self._stream(principal, call, caller, receive, send, begun)
                    return
                else:
                    answer = await _unless_gone(self._verbs.complete_chat(principal, call), receive)
                body, report = answer.body, answer.report
        except ClientGoneError:
            return
        headers = [_JSON, (b"content-length", str(len(body)).encode()), *_headers(caller, report, begun)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _models(self, principal: Principal) -> bytes:
        names = await self._verbs.list_models(principal)
        data = [{"id": name.id, "object": "model", "created": 0, "owned_by": "amas"} for name in names]
        return orjson.dumps({"object": "list", "data": data})

    async def _stream(
        self,
        principal: Principal,
        call: ModelCall,
        caller: Caller,
        receive: Receive,
        send: Send,
        begun: float,
    ) -> None:
        """Server-sent events as OpenAI sends them. Until the first part is there, an error is a plain one."""
        async with aclosing(self._verbs.stream_chat(principal, call)) as parts:
            first = await _unless_gone(_next(parts), receive)
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"x-accel-buffering", b"no"),
                *_headers(caller, Report(), begun),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _unless_gone(_send_parts(first, parts, send), receive)


async def _send_parts(first: Chunk | StreamEnd | None, parts: AsyncIterator[Chunk | StreamEnd], send: Send) -> None:
    part = first
    try:
        while isinstance(part, Chunk):
            await send({"type": "http.response.body", "body": b"data: " + part.data + b"\n\n", "more_body": True})
            part = await _next(parts)
        last = b"data: [DONE]\n\n"
        if part is None:
            last = _broken("STREAM_BROKEN", "The stream ended without its end.")
        elif part.reason:
            last = _broken(part.reason, part.message or "The model's answer was cut.")
    except AmasError as error:
        last = b"data: " + http_errors.openai_error(error) + b"\n\n"
    except Exception:
        _log.exception("a model's stream failed")
        last = b"data: " + http_errors.openai_error(http_errors.internal()) + b"\n\n"
    await send({"type": "http.response.body", "body": last})


def _broken(reason: str, message: str) -> bytes:
    error = {"message": message, "type": "server_error", "param": None, "code": reason.lower()}
    return b"data: " + orjson.dumps({"error": error}) + b"\n\n"


async def _next(parts: AsyncIterator[Chunk | StreamEnd]) -> Chunk | StreamEnd | None:
    return await anext(parts, None)


async def _unless_gone(work: Coroutine[Any, Any, ResultT], receive: Receive) -> ResultT:
    """The result of the work, which is cancelled (and with it the call upstream) when the client goes away."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGoneError
    finally:
        gone.cancel()
        if not working.done():
            working.cancel()
        await asyncio.wait((working, gone))


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _model_call(scope: Scope, body: bytes) -> tuple[ModelCall, bool]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "JSON_INVALID", "The body is not valid JSON.") from error
    if not isinstance(document, dict):
        raise HttpError(400, "JSON_INVALID", "The body must be a JSON object.")
    route, streams = document.get("model"), document.get("stream", False)
    if not isinstance(route, str) or not 0 < len(route) <= MAX_ROUTE:
        raise invalid("model", f"must name a model route, in at most {MAX_ROUTE} characters")
    if streams is not None and not isinstance(streams, bool):
        raise invalid("stream", "must be true or false")
    key = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"idempotency-key"), "")
    if len(key) > MAX_IDEMPOTENCY_KEY:
        raise invalid("Idempotency-Key", f"must have at most {MAX_IDEMPOTENCY_KEY} characters")
    return ModelCall(route, body, key), bool(streams)


def _headers(caller: Caller, report: Report, begun: float) -> list[Header]:
    headers: list[Header] = [(b"openai-processing-ms", str(round((time.perf_counter() - begun) * 1000)).encode())]
    if report.call_id:
        headers.append((b"x-amas-call-id", _token(report.call_id)))
        headers.append((b"x-amas-model", _token(f"{report.provider}/{report.model}")))
        headers.append((b"x-amas-attempts", str(report.attempts).encode()))
    if caller.taken is not None:
        tightest = caller.taken.tightest
        headers += [
            (b"x-ratelimit-limit-requests", str(tightest.rate.burst).encode()),
            (b"x-ratelimit-remaining-requests", str(tightest.remaining).encode()),
            (b"x-ratelimit-reset-requests", f"{math.ceil(tightest.reset)}s".encode()),
        ]
    return headers


def _token(text: str) -> bytes:
    """Text as a header value: what is not printable ASCII becomes `?`, so that no name can add a header."""
    return "".join(char if " " < char <= "~" else "?" for char in text).encode()
