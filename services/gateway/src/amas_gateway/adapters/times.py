"""Times of queries, from the text that a client sent."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from amas_gateway.domain.errors import invalid


def timestamp(name: str, text: str) -> Timestamp:
    """The time; AmasError INVALID_ARGUMENT that names the field for what is no RFC 3339 time."""
    moment = Timestamp()
    try:
        moment.FromJsonString(text)
    except ValueError as error:
        raise invalid(name, "must be an RFC 3339 time such as 2026-01-31T12:00:00Z") from error
    return moment
