"""Errors of the log's HTTP side as problem+json (RFC 9457). Only an AmasError's own words go out."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from amas_chassis.errors import AmasError, ErrorKind

from amas_audit.domain.errors import LogDamagedError, log_damaged

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS = {
    ErrorKind.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    # Entries that were dropped: they were here, and are elsewhere.
    ErrorKind.FAILED_PRECONDITION: HTTPStatus.GONE,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

_LOG = logging.getLogger(__name__)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever is raised as a problem, and never one that a cache may keep: what is not there may come."""
    try:
        return await handler(request)
    except AmasError as error:
        status = _STATUS.get(error.kind, HTTPStatus.INTERNAL_SERVER_ERROR)
        return _problem(status, error.reason, error.message, error.retry_after)
    except web.HTTPException as error:
        allowed = error.headers.get("Allow")
        answer = _problem(HTTPStatus(error.status), error.reason.upper().replace(" ", "_"), error.reason)
        if allowed:
            answer.headers["Allow"] = allowed
        return answer
    except LogDamagedError:
        damaged = log_damaged()
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, damaged.reason, damaged.message)
    except Exception:
        _LOG.exception("a request for a part of the log failed")
        return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", "the log could not answer")


def _problem(status: HTTPStatus, reason: str, detail: str, retry_after: float | None = None) -> web.Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, "reason": reason}
    headers = {"Cache-Control": "no-store"}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/problem+json", headers=headers
    )
