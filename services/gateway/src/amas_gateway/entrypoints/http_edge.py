"""The outermost layer of the HTTP API: what every request passes, whichever API it is for.

Trace, request id, identity before the body is read, size and media type of the body, limits' headers, and errors that
nobody else turned into a response. It knows no route.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from amas_chassis import telemetry
from amas_chassis.errors import AmasError
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.access import Access, Caller
from amas_gateway.entrypoints.http_errors import Header, HttpError
from amas_gateway.telemetry import Instruments

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where the edge leaves the caller for the handlers.
CALLER = "amas.caller"
# Seconds that a client may take to send its body.
BODY_TIMEOUT_SECONDS = 30.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPENAI_PATHS = frozenset({"/v1/chat/completions", "/v1/models", "/v1/embeddings"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = logging.getLogger(__name__)


class HttpEdge:
    """An ASGI application over the two real ones."""

    def __init__(
        self,
        rest: App,
        openai: App,
        access: Access,
        instruments: Instruments,
        draining: asyncio.Event,
        max_body_bytes: int,
    ) -> None:
        self._rest = rest
        self._openai = openai
        self._access = access
        self._instruments = instruments
        self._draining = draining
        self._max_body_bytes = max_body_bytes
        self._tracer = telemetry.tracer(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request."""
        headers = _headers(scope)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        caller = Caller(request_id=_request_id(headers))
        scope[CALLER] = caller
        response = _Response(send, caller, self._draining)
        context = telemetry.context_from_traceparent(headers.get("traceparent", ""))
        begun = time.perf_counter()
        with (
            self._tracer.start_as_current_span(
                method, context, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
            ) as span,
            self._instruments.in_flight.track_inprogress(),
        ):
            try:
                await self._serve(scope, receive, response, headers)
            finally:
                route = getattr(scope.get("route"), "path", "")
                route = scope["path"] if scope["path"] in _OPENAI_PATHS else route or "none"
                _describe(span, method, route, response.status, caller)
                self._instruments.requests.labels(route, method, str(response.status)).observe(
                    time.perf_counter() - begun
                )

    async def _serve(self, scope: Scope, receive: Receive, response: _Response, headers: dict[str, str]) -> None:
        try:
            if scope["path"].startswith("/v1/"):
                await self._access.identify(scope[CALLER], headers.get("authorization"))
            if scope["method"] in ("POST", "PUT", "PATCH"):
                receive = await self._buffered(receive, headers)
            app = self._openai if scope["path"] in _OPENAI_PATHS else self._rest
            await app(scope, receive, response)
        except AmasError as error:
            self._access.refused(scope[CALLER], error)
            await _refuse(scope, response, error)
        except Exception:
            _log.exception("a request failed")
            await _refuse(scope, response, http_errors.internal())

    async def _buffered(self, receive: Receive, headers: dict[str, str]) -> Receive:
        """Reads the whole body, bounded in size and time, and plays it back to the application."""
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._max_body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise HttpError(400, "BODY_CUT", "The request ended before its body did.")
                    body += message.get("body", b"")
                    if len(body) > self._max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError as error:
            raise HttpError(408, "BODY_TIMEOUT", "The request's body did not arrive in time.") from error
        if body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HttpError(415, "MEDIA_TYPE", "The body must be application/json.")
        return _played_back(bytes(body), receive)

    def _too_large(self) -> HttpError:
        return HttpError(413, "BODY_TOO_LARGE", f"The body must not be larger than {self._max_body_bytes} bytes.")


class _Response:
    """Sends what the application answers, with the headers that every response has."""

    def __init__(self, send: Send, caller: Caller, draining: asyncio.Event) -> None:
        self._send = send
        self._caller = caller
        self._draining = draining
        self.started = False
        self.finished = False
        # Until something was sent: the client went away first.
        self.status = 499

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = int(message["status"])
            message = {**message, "headers": [*message.get("headers", ()), *self._headers()]}
        elif not message.get("more_body", False):
            self.finished = True
        await self._send(message)

    def _headers(self) -> list[Header]:
        headers: list[Header] = [
            (b"x-request-id", self._caller.request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        if self._caller.taken is not None:
            headers += http_errors.limit_headers(self._caller.taken)
        if self._draining.is_set():
            headers.append((b"connection", b"close"))
        return headers


async def _refuse(scope: Scope, response: _Response, error: AmasError) -> None:
    if response.finished:
        return
    if response.started:
        # The head is out: ending the response here, unfinished, is the only honest sign that is left.
        _log.warning("a response was cut: %s", error.reason)
        return
    if scope["path"] in _OPENAI_PATHS:
        status = http_errors.openai_status(error)
        body, media_type = http_errors.openai_error(error), b"application/json"
    else:
        status = http_errors.status_of(error)
        body, media_type = http_errors.problem(error, scope["path"]), b"application/problem+json"
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        *http_errors.headers_of(error),
    ]
    await response({"type": "http.response.start", "status": status, "headers": headers})
    await response({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _played_back(body: bytes, receive: Receive) -> Receive:
    first = True

    async def play() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return play


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _request_id(headers: dict[str, str]) -> str:
    asked = headers.get("x-request-id", "")
    return asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex


def _describe(span: trace.Span, method: str, route: str, status: int, caller: Caller) -> None:
    if not span.is_recording():
        return
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if caller.principal is not None:
        span.set_attribute("amas.tenant", caller.principal.tenant)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
