"""POST /v1/messages: from the request's body to an exchange."""

from __future__ import annotations

import orjson

from amas_gateway.entrypoints.model_api.completion_shapes import written
from amas_gateway.entrypoints.model_api.exchange import Exchange, route_and_stream, translatable

from .answer import to_message
from .events import MessageTelling
from .request import to_chat


def read_message(body: bytes) -> Exchange:
    """A Messages request. Raises INVALID_ARGUMENT naming the field that cannot be served."""
    request = translatable(body)
    route, streams = route_and_stream(request)
    return Exchange(
        route,
        orjson.dumps(to_chat(request)),
        MessageTelling(request) if streams else None,
        lambda answer: written(to_message(request, answer)),
    )
