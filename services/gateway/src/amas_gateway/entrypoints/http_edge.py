"""The outermost layer of the HTTP API: what every request passes, whichever API it is for.

Trace, request id, identity before the body is read, size and media type of the body, limits' headers, and errors that
nobody else turned into a response. It knows no route.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from amas_chassis import telemetry
from amas_chassis.errors import AmasError
from amas_chassis.read_timer import ReadTimer
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, Status, StatusCode

from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.access import Access, Caller
from amas_gateway.entrypoints.http_errors import Header, HttpError
from amas_gateway.entrypoints.model_api import paths
from amas_gateway.entrypoints.model_api.error_form import rendered
from amas_gateway.telemetry import Instruments

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where the edge leaves the caller and the request's headers (names in lower case, the last of a name) for the handlers.
CALLER = "amas.caller"
HEADERS = "amas.headers"
# Seconds that a client may take to send its body.
BODY_TIMEOUT_SECONDS = 30.0
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_FIXED_HEADERS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = logging.getLogger(__name__)


class HttpEdge:
    """An ASGI application over the two real ones."""

    def __init__(
        self,
        rest: App,
        models: App,
        access: Access,
        instruments: Instruments,
        draining: asyncio.Event,
        max_body_bytes: int,
    ) -> None:
        self._rest = rest
        self._models = models
        self._access = access
        self._instruments = instruments
        self._draining = draining
        self._max_body_bytes = max_body_bytes
        self._tracer = telemetry.tracer(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request."""
        headers: Headers = dict(scope["headers"])
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        caller = Caller(request_id=_request_id(headers))
        scope[CALLER], scope[HEADERS] = caller, headers
        model_route = paths.route_of(scope["path"])
        response = _Response(send, caller, self._draining, anthropic=paths.is_anthropic(model_route))
        context = telemetry.context_from_traceparent(headers.get(b"traceparent", b"").decode("latin-1"))
        begun = time.perf_counter()
        span = self._tracer.start_span(method, context, SpanKind.SERVER)
        # By hand, as the SDK's two context managers cost as much as the span itself on a request of 0.1 ms.
        attached = attach(trace.set_span_in_context(span))
        self._instruments.in_flight.inc()
        try:
            await self._serve(scope, receive, response, model_route)
        finally:
            self._instruments.in_flight.dec()
            route = model_route or getattr(scope.get("route"), "path", "") or "none"
            _describe(span, method, route, response.status, caller)
            span.end()
            detach(attached)
            self._instruments.requests.labels(route, method, str(response.status)).observe(time.perf_counter() - begun)

    async def _serve(self, scope: Scope, receive: Receive, response: _Response, model_route: str) -> None:
        headers: Headers = scope[HEADERS]
        try:
            if scope["path"].startswith("/v1/"):
                await self._access.identify(scope[CALLER], _credential(headers, model_route))
            if scope["method"] in ("POST", "PUT", "PATCH"):
                receive = await self._buffered(receive, headers)
            app = self._models if model_route else self._rest
            await app(scope, receive, response)
        except AmasError as error:
            self._access.refused(scope[CALLER], error)
            await _refuse(scope, response, error)
        except Exception:
            _log.exception("a request failed")
            await _refuse(scope, response, http_errors.internal())

    async def _buffered(self, receive: Receive, headers: Headers) -> Receive:
        """Reads the whole body, bounded in size and time, and plays it back to the application."""
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._max_body_bytes:
            raise self._too_large()
        body = bytearray()
        timer = ReadTimer(BODY_TIMEOUT_SECONDS)
        try:
            while True:
                message = await timer.wait(receive())
                if message["type"] == "http.disconnect":
                    raise HttpError(400, "BODY_CUT", "The request ended before its body did.")
                body += message.get("body", b"")
                if len(body) > self._max_body_bytes:
                    raise self._too_large()
                if not message.get("more_body", False):
                    break
        except TimeoutError as error:
            raise HttpError(408, "BODY_TIMEOUT", "The request's body did not arrive in time.") from error
        finally:
            timer.stop()
        if body and headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise HttpError(415, "MEDIA_TYPE", "The body must be application/json.")
        return _played_back(bytes(body), receive)

    def _too_large(self) -> HttpError:
        return HttpError(413, "BODY_TOO_LARGE", f"The body must not be larger than {self._max_body_bytes} bytes.")


class _Response:
    """Sends what the application answers, with the headers that every response has."""

    def __init__(self, send: Send, caller: Caller, draining: asyncio.Event, *, anthropic: bool = False) -> None:
        self._send = send
        self._anthropic = anthropic
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
        request_id = self._caller.request_id.encode()
        headers: list[Header] = [(b"x-request-id", request_id), *_FIXED_HEADERS]
        if self._anthropic:
            # The name under which Anthropic's SDKs look for it.
            headers.append((b"request-id", request_id))
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
    status, media_type, body = rendered(error, scope["path"], scope[CALLER].request_id)
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


def _credential(headers: Headers, model_route: str) -> str | None:
    """The `authorization` header; under Anthropic's paths `x-api-key` may carry the same token."""
    given = headers.get(b"authorization")
    if given is None and paths.is_anthropic(model_route) and b"x-api-key" in headers:
        given = b"Bearer " + headers[b"x-api-key"]
    return None if given is None else given.decode("latin-1")


def _request_id(headers: Headers) -> str:
    asked = headers.get(b"x-request-id", b"")
    return asked.decode() if asked and _REQUEST_ID.fullmatch(asked) else secrets.token_hex(16)


def _describe(span: trace.Span, method: str, route: str, status: int, caller: Caller) -> None:
    if not span.is_recording():
        return
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if caller.principal is not None:
        span.set_attribute("amas.tenant", caller.principal.tenant)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
