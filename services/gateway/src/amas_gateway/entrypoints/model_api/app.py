"""Serves the model APIs. A plain ASGI application, because this is the hot path.

Each API is a front door of its own module; what is done behind it is the same for all and stands here: admission,
options, the call, the headers, and a stream that never looks whole when it is not.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing

import orjson
from amas_chassis.errors import AmasError, ErrorKind

from amas_gateway.domain.authorization import Action
from amas_gateway.domain.model import Chunk, ModelCall, Principal, Report, StreamEnd
from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.access import Access, Caller
from amas_gateway.entrypoints.http_edge import CALLER, HEADERS, Receive, Scope, Send
from amas_gateway.entrypoints.http_errors import Header, HttpError
from amas_gateway.entrypoints.while_connected import ClientGoneError, WhileConnected
from amas_gateway.usecases.catalogue import Catalogue

from . import paths
from .call_options import call_options
from .chat import read_chat, read_embeddings
from .exchange import Delivered, Exchange, Telling
from .messages.front_door import read_message
from .responses.front_door import read_response

_JSON: Header = (b"content-type", b"application/json")
_EVENTS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Proxies must not gather what comes token by token.
    (b"x-accel-buffering", b"no"),
)
_READERS: Mapping[str, Callable[[bytes], Exchange]] = {
    paths.CHAT: read_chat,
    paths.EMBEDDINGS: read_embeddings,
    paths.RESPONSES: read_response,
    paths.MESSAGES: read_message,
}
_GETS = frozenset({paths.MODELS, paths.MODEL})

_log = logging.getLogger(__name__)


class ModelApi:
    """Serves the paths of `paths.py`; the edge has identified the caller and read the body."""

    def __init__(self, verbs: Catalogue, access: Access) -> None:
        self._verbs = verbs
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        route = paths.route_of(scope["path"])
        if route not in _READERS and route not in _GETS:
            raise HttpError(404, "NOT_FOUND", "This part of the API is not offered: nothing is stored or counted here.")
        expected = "GET" if route in _GETS else "POST"
        if scope["method"] != expected:
            raise HttpError(405, "METHOD_NOT_ALLOWED", f"Only {expected} is answered here.")
        begun = time.perf_counter()
        caller: Caller = scope[CALLER]
        principal = await self._access.admit(caller, Action.MODEL_CALL)
        if expected == "GET":
            try:
                async with WhileConnected(receive):
                    body = await self._models(principal, scope["path"] if route == paths.MODEL else "")
            except ClientGoneError:
                return
            await _send_whole(send, body, _headers(caller, None, begun))
            return
        options = call_options(scope[HEADERS])
        exchange = _READERS[route]((await receive())["body"])
        call = ModelCall(
            exchange.route,
            exchange.body,
            options.idempotency_key,
            options.no_cache,
            options.deadline(streams=exchange.telling is not None),
        )
        try:
            async with WhileConnected(receive):
                if exchange.telling is not None:
                    await self._stream(principal, call, exchange.telling, caller, send, begun)
                    return
                verb = self._verbs.embed_text if route == paths.EMBEDDINGS else self._verbs.complete_chat
                answer = await verb(principal, call)
        except ClientGoneError:
            return
        body = answer.body if exchange.whole is None else exchange.whole(answer.body)
        await _send_whole(send, body, _headers(caller, answer.report, begun))

    async def _models(self, principal: Principal, path: str) -> bytes:
        names = await self._verbs.list_models(principal)
        data = [{"id": name.id, "object": "model", "created": 0, "owned_by": "amas"} for name in names]
        if not path:
            return orjson.dumps({"object": "list", "data": data})
        wanted = path.removeprefix(f"{paths.MODELS}/")
        found = next((entry for entry in data if entry["id"] == wanted), None)
        if found is None:
            raise AmasError(ErrorKind.NOT_FOUND, "MODEL_NOT_FOUND", "There is no such model route.")
        return orjson.dumps(found)

    async def _stream(
        self, principal: Principal, call: ModelCall, telling: Telling, caller: Caller, send: Send, begun: float
    ) -> None:
        """Until the first part is there, an error is a plain one; it is raised."""
        async with aclosing(self._verbs.stream_chat(principal, call)) as parts:
            first = await anext(parts, None)
            headers = [*_EVENTS, *_headers(caller, None, begun)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _tell(first, parts, telling, send)


async def _tell(
    part: Chunk | StreamEnd | None, parts: AsyncIterator[Chunk | StreamEnd], telling: Telling, send: Send
) -> None:
    chunks, ahead = 0, telling.begun()
    try:
        while isinstance(part, Chunk):
            event = telling.chunk(part.data)
            if ahead:
                ahead, event = b"", ahead + event
            if event:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            chunks += 1
            part = await anext(parts, None)
        if part is not None and not part.reason:
            last = telling.ended()
        else:
            last = telling.broken(_cut(part), Delivered(chunks, part.report if part is not None else None))
    except AmasError as error:
        last = telling.broken(error, Delivered(chunks))
    except Exception:
        _log.exception("a model's stream failed")
        last = telling.broken(http_errors.internal(), Delivered(chunks))
    await send({"type": "http.response.body", "body": ahead + last})


def _cut(end: StreamEnd | None) -> AmasError:
    if end is None:
        return AmasError(ErrorKind.UNAVAILABLE, "STREAM_BROKEN", "The stream ended without its end.")
    return AmasError(ErrorKind.UNAVAILABLE, end.reason, end.message or "The model's answer was cut.")


async def _send_whole(send: Send, body: bytes, headers: list[Header]) -> None:
    headers += (_JSON, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(caller: Caller, report: Report | None, begun: float) -> list[Header]:
    """How the call was served, as far as it is known when the head is sent: nothing of a stream's end."""
    headers: list[Header] = [(b"openai-processing-ms", str(round((time.perf_counter() - begun) * 1000)).encode())]
    if report is not None and report.call_id:
        headers += (
            (b"x-amas-call-id", http_errors.token(report.call_id)),
            (b"x-amas-model", http_errors.token(f"{report.provider}/{report.model}")),
            (b"x-amas-attempts", str(report.attempts).encode()),
            (b"x-amas-cache", http_errors.token(report.cache) or b"miss"),
        )
        if report.replayed:
            headers.append((b"x-amas-replayed", b"true"))
        billed = report.billed
        if billed is not None and billed.amount:
            headers.append((b"x-amas-cost", http_errors.token(f"{billed.amount} {billed.currency}")))
        if billed is not None and billed.estimated:
            headers.append((b"x-amas-usage", b"estimated"))
    if caller.taken is not None:
        tightest = caller.taken.tightest
        headers += (
            (b"x-ratelimit-limit-requests", str(tightest.rate.burst).encode()),
            (b"x-ratelimit-remaining-requests", str(tightest.remaining).encode()),
            (b"x-ratelimit-reset-requests", f"{math.ceil(tightest.reset)}s".encode()),
        )
    return headers
