"""What all routes share: bodies read strictly (NaN, lone surrogates and JSON nested too deep are refused, not passed
on), and a client that is known to be gone where it is held.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from amas_gateway.domain import presence
from amas_gateway.entrypoints.while_connected import ClientGoneError, WhileConnected

# As nginx logs it: the client closed the connection before there was an answer. Nobody sees it but the metrics.
CLIENT_GONE = 499


class StrictRequest(Request):
    """Parses with orjson, whose errors FastAPI answers as malformed JSON."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class StrictRoute(APIRoute):
    """A route whose handler gets a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            with presence.watched_by(lambda: WhileConnected(request.receive)):
                try:
                    return await handler(StrictRequest(request.scope, request.receive))
                except ClientGoneError:
                    return Response(status_code=CLIENT_GONE)

        return strict
