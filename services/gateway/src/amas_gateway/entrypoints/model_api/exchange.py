"""What a front door makes of a request: the call for the router, and how its answer is told in the door's own API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from amas_chassis.errors import AmasError

from amas_gateway.domain.errors import invalid
from amas_gateway.domain.model import Report
from amas_gateway.entrypoints.http_errors import HttpError

MAX_ROUTE = 127
# orjson reads 1,024 levels and writes 254; an event with a request's field inside has a few more.
MAX_DEPTH = 240


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a client had got of a stream that broke, and the router's report if there is one."""

    chunks: int
    report: Report | None = None

    def told(self) -> dict[str, object]:
        """The two as fields of an error event: a client must be able to see what it pays for."""
        told: dict[str, object] = {"delivered": {"chunks": self.chunks}, "billed": None}
        billed = self.report.billed if self.report is not None else None
        if self.report is not None and self.report.call_id:
            told["call_id"] = self.report.call_id
        if billed is not None:
            told["billed"] = {
                "input_tokens": billed.input_tokens,
                "output_tokens": billed.output_tokens,
                "cost": {"amount": billed.amount, "currency": billed.currency} if billed.amount else None,
                "estimated": billed.estimated,
            }
        return told


class Telling(Protocol):
    """One streamed answer in an API's own events. Every method answers bytes of the event stream, or none."""

    def begun(self) -> bytes:
        """What comes before the first chunk."""
        ...

    def chunk(self, data: bytes) -> bytes:
        """What one chat.completion.chunk becomes. Raises AmasError for one that cannot be told."""
        ...

    def ended(self) -> bytes:
        """What closes a stream that ended well."""
        ...

    def broken(self, error: AmasError, delivered: Delivered) -> bytes:
        """What closes a stream that broke: never to be mistaken for a good end."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how to answer it."""

    route: str
    # An OpenAI Chat Completions (or embeddings) request as JSON.
    body: bytes = field(repr=False)
    # The stream's teller; None for a whole answer.
    telling: Telling | None = None
    # What a whole answer becomes; None hands it on as it is.
    whole: Callable[[bytes], bytes] | None = None


def document(body: bytes) -> dict[str, Any]:
    """The request's JSON object. Raises HttpError 400."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "JSON_INVALID", "The body is not valid JSON.") from error
    if not isinstance(found, dict):
        raise HttpError(400, "JSON_INVALID", "The body must be a JSON object.")
    return found


def translatable(body: bytes) -> dict[str, Any]:
    """The same where it is written again in another form. Raises HttpError 400 for what is nested too deep for that."""
    found = document(body)
    # Counted first, as most bodies have fewer brackets than that and need not be walked.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper(found, MAX_DEPTH):
        raise HttpError(400, "JSON_INVALID", "The body is nested too deep.")
    return found


def _deeper(found: object, most: int) -> bool:
    """Whether containers are nested deeper than `most`; level by level, so that depth costs no stack."""
    level = [found]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def route_and_stream(found: dict[str, Any]) -> tuple[str, bool]:
    """The two fields that every model API has. Raises INVALID_ARGUMENT."""
    route, streams = found.get("model"), found.get("stream")
    if not isinstance(route, str) or not 0 < len(route) <= MAX_ROUTE:
        raise invalid("model", f"must name a model route, in at most {MAX_ROUTE} characters")
    if streams is not None and not isinstance(streams, bool):
        raise invalid("stream", "must be true or false")
    return route, streams is True
