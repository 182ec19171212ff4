"""Messages of the contracts in the protobuf JSON mapping: camelCase, enums by name, 64-bit integers as strings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

JSON = "application/json"


def as_json(message: object) -> dict[str, Any]:
    """The JSON object of a carried message; fields without a value are there too."""
    if not isinstance(message, Message):
        raise TypeError(f"{type(message).__name__} is no message of the contracts")
    rendered: dict[str, Any] = MessageToDict(message, always_print_fields_with_no_presence=True)
    return rendered


def respond(message: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """One message as a response."""
    return Response(orjson.dumps(as_json(message)), status, headers, JSON)


def respond_page(name: str, items: Iterable[object], next_page_token: str, **more: object) -> Response:
    """One page of a list: `{name: [...], "nextPageToken": "..."}`."""
    page: dict[str, object] = {name: [as_json(item) for item in items], "nextPageToken": next_page_token}
    page.update({key: as_json(value) for key, value in more.items() if value is not None})
    return Response(orjson.dumps(page), media_type=JSON)
