"""POST /add-checkpoint over HTTP or HTTPS; errors are problem+json (RFC 9457), a conflict of sizes the size itself."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

from aiohttp import web

from .notes import NoteError
from .requests import AddCheckpoint
from .state import StateError
from .witness import Refused, Witness

# A checkpoint with a hundred signatures and a proof of 63 hashes is smaller.
MAX_BODY_BYTES = 64 << 10
SIZE_TYPE = "text/x.tlog.size"

_LOG = logging.getLogger(__name__)


def application(witness: Witness) -> web.Application:
    """The witness as an application."""

    async def add_checkpoint(request: web.Request) -> web.Response:
        try:
            answer = await witness.add_checkpoint(AddCheckpoint.parse(await request.read()))
        except NoteError as error:
            return _problem(HTTPStatus.BAD_REQUEST, str(error))
        except web.HTTPRequestEntityTooLarge:
            return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {MAX_BODY_BYTES} bytes")
        except StateError as error:
            # What exactly, is for this witness's operator.
            _LOG.critical("nothing is cosigned: %s", error)
            return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the witness cannot keep what it sees")
        if not isinstance(answer, Refused):
            return web.Response(text=answer.lines, content_type="text/plain", charset="utf-8")
        if answer.size is not None:
            return web.Response(status=answer.status, body=f"{answer.size}\n".encode(), content_type=SIZE_TYPE)
        return _problem(answer.status, answer.reason)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/add-checkpoint", add_checkpoint)
    app.router.add_get("/healthz", healthz)
    return app


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/problem+json")
