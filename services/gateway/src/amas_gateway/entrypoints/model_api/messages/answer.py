"""A whole answer of Chat Completions as a Message, and the parts that its stream shares. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import orjson

from amas_gateway.entrypoints.model_api.completion_shapes import (
    Used,
    answer_invalid,
    first_choice,
    listed,
    mapping,
    parsed,
    said,
    thought,
    used,
)

from .request import mapping_type

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def shows_thoughts(request: Mapping[str, Any]) -> bool:
    """Whether the client asked to see reasoning: one that did not would not expect such blocks."""
    return mapping_type(request.get("thinking")) in ("enabled", "adaptive")


def to_message(request: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """The Message of a whole answer. Raises MODEL_RESPONSE_INVALID."""
    found = parsed(body)
    choice = first_choice(found)
    message = mapping(choice.get("message"))
    content: list[dict[str, Any]] = []
    if shows_thoughts(request) and thought(message):
        # Chat Completions signs nothing: the signature is empty, and such a block is left out when it comes back.
        content.append({"type": "thinking", "thinking": thought(message), "signature": ""})
    words = said(message, "content") or said(message, "refusal")
    if words:
        content.append({"type": "text", "text": words})
    calls = listed(message.get("tool_calls"))
    content += [_tool_use(call) for call in calls]
    stop, sequence = stop_of(request, choice, called=bool(calls), refused=bool(said(message, "refusal")))
    return {
        **empty_message(said(found, "model") or str(request.get("model"))),
        "content": content,
        "stop_reason": stop,
        "stop_sequence": sequence,
        "usage": usage(used(found) or Used()),
    }


def empty_message(model: str) -> dict[str, Any]:
    """A Message that has not begun."""
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage(Used()),
    }


def stop_of(
    request: Mapping[str, Any], choice: Mapping[str, Any], *, called: bool, refused: bool
) -> tuple[str, str | None]:
    """Why the model stopped, and at which of the client's sequences where the provider tells (vLLM's `stop_reason`)."""
    if refused:
        return "refusal", None
    stop = _STOPS.get(str(choice.get("finish_reason")), "end_turn")
    if stop != "end_turn":
        return stop, None
    if called:
        return "tool_use", None
    sequence = choice.get("stop_reason")
    if isinstance(sequence, str) and sequence in (request.get("stop_sequences") or ()):
        return "stop_sequence", sequence
    return stop, None


def usage(tokens: Used) -> dict[str, Any]:
    """Tokens as Anthropic counts them: what was read from a cache is not among the input tokens."""
    return {
        "input_tokens": max(0, tokens.prompt - tokens.cached),
        "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": tokens.completion,
    }


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function"))
    try:
        given = orjson.loads(said(function, "arguments") or "{}")
    except orjson.JSONDecodeError as error:
        # An empty input in its place could be acted on.
        raise answer_invalid() from error
    if not isinstance(given, dict):
        raise answer_invalid()
    return {"type": "tool_use", "id": said(call, "id"), "name": said(function, "name"), "input": given}
