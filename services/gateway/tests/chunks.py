"""Answers of a model in Chat Completions form, whole and as chunks, for the tests of the front doors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from amas_gateway.domain.model import Chunk

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 1},
}


def call(identity: str, name: str, arguments: str, index: int | None = None) -> dict[str, Any]:
    """A function call; with an index as a chunk has it."""
    found: dict[str, Any] = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
    return found if index is None else {"index": index, **found}


def completion(message: dict[str, Any], finish: str = "stop", **choice: Any) -> bytes:
    """A whole answer."""
    whole = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}, **choice}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini", "choices": [whole]}
    return json.dumps({**body, "usage": USAGE}).encode()


def chunk(delta: dict[str, Any], finish: str | None = None, **choice: Any) -> bytes:
    """One chunk."""
    part = {"index": 0, "delta": delta, "finish_reason": finish, **choice}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini"}
    return json.dumps({**body, "choices": [part]}).encode()


def usage_chunk() -> bytes:
    """The last chunk of a stream, which holds the usage alone."""
    return json.dumps(
        {"object": "chat.completion.chunk", "model": "gpt-5-mini", "choices": [], "usage": USAGE}
    ).encode()


def two_calls() -> list[bytes]:
    """A stream that says a word and makes two calls, whose pieces come in turn."""
    return [
        chunk({"role": "assistant", "content": "Look"}),
        chunk({"content": "ing."}),
        chunk({"tool_calls": [call("call_a", "weather", "", 0)]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
        chunk({"tool_calls": [call("call_b", "clock", "{", 1)]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]}),
        chunk({}, "tool_calls"),
        usage_chunk(),
    ]


def parts(chunks: Sequence[bytes]) -> list[Chunk]:
    """The chunks as the router sends them."""
    return [Chunk(data) for data in chunks]
