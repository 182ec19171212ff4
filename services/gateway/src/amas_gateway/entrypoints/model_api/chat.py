"""OpenAI Chat Completions and Embeddings: the hot path.

The client's JSON goes to the router and the model's JSON to the client as they are; only `model`, which names a route,
and `stream` are looked at.
"""

from __future__ import annotations

import orjson
from amas_chassis.errors import AmasError

from .exchange import Delivered, Exchange, document, route_and_stream
from .openai_errors import error_object


def read_chat(body: bytes) -> Exchange:
    """A Chat Completions request."""
    route, streams = route_and_stream(document(body))
    return Exchange(route, body, ChatTelling() if streams else None)


def read_embeddings(body: bytes) -> Exchange:
    """An embeddings request; it has no streams."""
    route, _ = route_and_stream(document(body))
    return Exchange(route, body)


class ChatTelling:
    """Chunks as server-sent events, as OpenAI sends them."""

    def begun(self) -> bytes:
        """Nothing."""
        return b""

    def chunk(self, data: bytes) -> bytes:
        """The chunk as it is."""
        return b"data: " + data + b"\n\n"

    def ended(self) -> bytes:
        """The sign that the stream is whole."""
        return b"data: [DONE]\n\n"

    def broken(self, error: AmasError, delivered: Delivered) -> bytes:
        """An error event with what was delivered and billed; `[DONE]` does not follow."""
        return b"data: " + orjson.dumps({"error": {**error_object(error), **delivered.told()}}) + b"\n\n"
