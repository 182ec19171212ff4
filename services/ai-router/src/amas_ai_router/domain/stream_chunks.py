"""What the chunks of a streamed completion say: is this the first token, how much text, which usage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from .bodies import reported_tokens, too_deep
from .errors import AttemptError, FailureReason
from .model import Tokens


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: `data` to pass on; `text_bytes` counts what it adds to the answer."""

    data: bytes
    begins: bool
    text_bytes: int
    finish_reason: str
    tokens: Tokens | None
    usage_only: bool


def with_usage(fields: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The request as a stream that reports its usage, and whether the caller asked for that itself."""
    options = fields.get("stream_options")
    given = options if isinstance(options, dict) else {}
    wanted = given.get("include_usage") is True
    return {**fields, "stream": True, "stream_options": {**given, "include_usage": True}}, wanted


def parse_chunk(data: bytes) -> Chunk:
    """A chunk of a provider's event. Raises AttemptError for what is none, error events included."""
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise AttemptError(FailureReason.RESPONSE_INVALID, "a chunk is not valid JSON") from error
    if not isinstance(fields, dict):
        raise AttemptError(FailureReason.RESPONSE_INVALID, "a chunk is not a JSON object")
    if too_deep(data, fields):
        raise AttemptError(FailureReason.RESPONSE_INVALID, "a chunk is nested too deep")
    if fields.get("error"):
        raise AttemptError(FailureReason.SERVER_ERROR, "an error inside the stream")
    choices = fields.get("choices")
    if not isinstance(choices, list):
        raise AttemptError(FailureReason.RESPONSE_INVALID, "a chunk has no choices")
    size, finish = 0, ""
    for choice in choices:
        if isinstance(choice, dict):
            size += _text_bytes(choice.get("delta"))
            finish = finish or str(choice.get("finish_reason") or "")[:64]
    tokens = reported_tokens(fields)
    # Kept answers are lists of chunks divided by line feeds, so a chunk must be one line.
    line = orjson.dumps(fields) if b"\n" in data else data
    return Chunk(line, size > 0 or bool(finish), size, finish, tokens, not choices and tokens is not None)


def _text_bytes(delta: object) -> int:
    """Bytes of all strings that a delta adds; its role is no text."""
    if isinstance(delta, str):
        return len(delta.encode())
    if isinstance(delta, dict):
        return sum(_text_bytes(value) for key, value in delta.items() if key not in ("role", "type"))
    if isinstance(delta, list):
        return sum(_text_bytes(value) for value in delta)
    return 0
