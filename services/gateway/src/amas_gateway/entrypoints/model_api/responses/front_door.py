"""POST /v1/responses: from the request's body to an exchange."""

from __future__ import annotations

import orjson

from amas_gateway.entrypoints.model_api.completion_shapes import written
from amas_gateway.entrypoints.model_api.exchange import Exchange, route_and_stream, translatable

from .answer import to_response
from .events import ResponseTelling
from .request import to_chat


def read_response(body: bytes) -> Exchange:
    """A Responses request. Raises INVALID_ARGUMENT naming the field that cannot be served."""
    request = translatable(body)
    route, streams = route_and_stream(request)
    return Exchange(
        route,
        orjson.dumps(to_chat(request)),
        ResponseTelling(request) if streams else None,
        lambda answer: written(to_response(request, answer)),
    )
