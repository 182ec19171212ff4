"""A run's events as server-sent events (WHATWG HTML section 9.2), resumable by `Last-Event-ID`."""

from __future__ import annotations

import orjson
from amas_chassis.errors import AmasError
from google.protobuf.message import Message

from amas_gateway.domain.model import RunEvent
from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.rest.rendering import as_json

# What a client should wait before it comes back (milliseconds).
RETRY_MS = 1000
_RETRY = b"retry: %d\n\n" % RETRY_MS


class ServerSentEvents:
    """The form of a run's events (`pushed_stream.Form`)."""

    media_type = "text/event-stream; charset=utf-8"
    opening = _RETRY
    heartbeat = b": heartbeat\n\n"
    draining = b": draining\n" + _RETRY

    def item(self, event: RunEvent) -> bytes:
        """An event, its id the sequence in the run."""
        if not isinstance(event, Message):
            raise TypeError("an event is a message of the contracts")
        kind = event.WhichOneof("payload") or "unknown"
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.sequence, kind.encode(), orjson.dumps(as_json(event)))

    def error(self, error: AmasError) -> bytes:
        """A problem as an event of its own, and when to come back."""
        return b"event: error\ndata: " + http_errors.problem(error, "") + b"\n" + _RETRY
