"""The REST application: FastAPI with the areas' routes, problem+json for every error, and the OpenAPI document.

It runs behind the edge, which identifies callers and bounds bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError, FieldViolation
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.access import Access
from amas_gateway.entrypoints.http_errors import HttpError
from amas_gateway.entrypoints.rest import approvals, audit, budgets, docs, resources, revocations, runs, schemas, usage
from amas_gateway.entrypoints.rest.parameters import caller_of
from amas_gateway.usecases.catalogue import Catalogue

VERSION = "1.0.0"
# Seconds between comments on a quiet event stream: below the idle time-outs of common proxies (60 s).
HEARTBEAT_SECONDS = 15.0
# Seconds that one readiness check may take.
CHECK_TIMEOUT_SECONDS = 2.0
# Most violations of one answer, and most characters of a field's path or description.
MAX_VIOLATIONS = 50
MAX_FIELD = 256
_HTTP_REASONS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "REQUEST_INVALID"}
_HTTP_SENTENCES = {404: "There is nothing at this path.", 405: "This path does not answer that method."}

Check = Callable[[], Awaitable[None]]


def build(
    verbs: Catalogue,
    access: Access,
    clock: Clock,
    draining: asyncio.Event,
    checks: Mapping[str, Check],
    heartbeat: float = HEARTBEAT_SECONDS,
) -> FastAPI:
    """The application; `checks` are those of readiness, `heartbeat` is in seconds."""
    app = FastAPI(
        title="AMAS",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # The edge has the span and the metrics of every request; a second set would only cost.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    _add_errors(app, access)
    for router in (
        runs.router(verbs, access),
        runs.events_router(verbs, access, clock, draining, heartbeat),
        approvals.router(verbs, access),
        resources.router(verbs, access),
        revocations.router(verbs, access),
        usage.router(verbs, access),
        budgets.router(verbs, access),
        audit.router(verbs, access, clock, draining, heartbeat),
    ):
        app.include_router(router)
    docs.add(app)
    _add_probes(app, draining, checks)
    _describe(app)
    return app


def _add_errors(app: FastAPI, access: Access) -> None:
    def answer(request: Request, error: AmasError) -> Response:
        headers = {name.decode(): value.decode() for name, value in http_errors.headers_of(error)}
        body = http_errors.problem(error, request.url.path)
        return Response(body, http_errors.status_of(error), headers, "application/problem+json")

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, AmasError):
            raise error
        access.refused(caller_of(request), error)
        return answer(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        # `input` and `ctx` of pydantic's errors repeat what the client sent: left out.
        violations = [
            FieldViolation(_path(problem)[:MAX_FIELD], str(problem["msg"])[:MAX_FIELD])
            for problem in error.errors()[:MAX_VIOLATIONS]
        ]
        return answer(request, HttpError(422, "REQUEST_INVALID", "The request is not valid.", violations))

    async def http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        reason = _HTTP_REASONS.get(error.status_code, "REQUEST_INVALID")
        sentence = _HTTP_SENTENCES.get(error.status_code, "The request cannot be answered.")
        response = answer(request, HttpError(error.status_code, reason, sentence))
        response.headers.update(error.headers or {})
        return response

    async def failed(request: Request, _error: Exception) -> Response:
        # Starlette raises it again after the answer, and the edge logs it.
        return answer(request, http_errors.internal())

    app.add_exception_handler(Exception, failed)
    app.add_exception_handler(AmasError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _path(problem: Mapping[str, Any]) -> str:
    """`('body', 'files', 0, 'name')` as `files[0].name`."""
    if problem["type"] == "json_invalid":
        return "body"
    location: tuple[int | str, ...] = problem["loc"]
    text = ""
    for part in location[1:] or location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _add_probes(app: FastAPI, draining: asyncio.Event, checks: Mapping[str, Check]) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return _status(200, "ok")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        if draining.is_set():
            return _status(503, "draining")
        for check in checks.values():
            try:
                async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                    await check()
            except Exception:
                # Which one, and why, is for the operators' own port and for the log.
                return _status(503, "not ready")
        return _status(200, "ready")


def _status(status: int, text: str) -> Response:
    return Response(orjson.dumps({"status": text}), status, media_type="application/json")


def _describe(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                routes=app.routes,
                description="Runs, approvals, resources, usage and audit of AMAS. Errors are problem+json (RFC 9457).",
            )
            parts = document.setdefault("components", {})
            parts.setdefault("schemas", {}).update(schemas.components())
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
            document["security"] = [{"token": []}]
            _describe_errors(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _describe_errors(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "An error.", "content": problem}
