"""A whole answer of Chat Completions as a Response object, and the parts that its stream shares. Pure."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from amas_gateway.entrypoints.model_api.completion_shapes import (
    Used,
    first_choice,
    listed,
    mapping,
    parsed,
    said,
    thought,
    used,
)

# Fields of the request that a Response repeats, with what holds where the client said nothing.
_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponseFrame:
    """All of one Response but its output: ids, and what of the request is repeated."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._seed = uuid.uuid4().hex
        self._echo = {
            name: request[name] if request.get(name) is not None else default for name, default in _ECHOED.items()
        }
        self._created = int(time.time())
        self.model = str(request.get("model"))

    def item_id(self, prefix: str, index: int) -> str:
        """An id of an output item, which no other item has."""
        return f"{prefix}_{self._seed}{index:04x}"

    def document(
        self,
        status: str,
        output: Sequence[Mapping[str, Any]],
        tokens: Used | None,
        *,
        reason: str | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The Response object; `reason` says why it is incomplete."""
        return {
            "id": f"resp_{self._seed}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "background": False,
            "error": error,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": self.model,
            "output": output,
            "previous_response_id": None,
            "store": False,
            "usage": None if tokens is None else usage(tokens),
            **self._echo,
        }

    def finished(
        self, finish: object, output: Sequence[Mapping[str, Any]], tokens: Used | None
    ) -> tuple[str, dict[str, Any]]:
        """The status of a good end, and the Response object."""
        reason = _INCOMPLETE.get(finish) if isinstance(finish, str) else None
        status = "incomplete" if reason else "completed"
        return status, self.document(status, output, tokens, reason=reason)


def to_response(request: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """The Response object of a whole answer. Raises MODEL_RESPONSE_INVALID."""
    frame, found = ResponseFrame(request), parsed(body)
    frame.model = said(found, "model") or frame.model
    choice = first_choice(found)
    message = mapping(choice.get("message"))
    output: list[dict[str, Any]] = []
    if thought(message):
        output.append(reasoning_item(frame.item_id("rs", len(output)), thought(message)))
    parts = []
    if said(message, "content"):
        parts.append(text_part(said(message, "content"), listed(mapping(choice.get("logprobs")).get("content"))))
    if said(message, "refusal"):
        parts.append(refusal_part(said(message, "refusal")))
    if parts:
        output.append(message_item(frame.item_id("msg", len(output)), "completed", parts))
    for call in listed(message.get("tool_calls")):
        function = mapping(call.get("function"))
        identity = frame.item_id("fc", len(output))
        output.append(
            call_item(identity, "completed", said(call, "id"), said(function, "name"), said(function, "arguments"))
        )
    return frame.finished(choice.get("finish_reason"), output, used(found))[1]


def usage(tokens: Used) -> dict[str, Any]:
    """Tokens as Responses counts them."""
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": 0},
        "output_tokens": tokens.completion,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.completion,
    }


def message_item(identity: str, status: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An output message."""
    return {"id": identity, "type": "message", "role": "assistant", "status": status, "content": list(parts)}


def text_part(said_text: str, logprobs: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A part with text."""
    return {"type": "output_text", "text": said_text, "annotations": [], "logprobs": list(logprobs)}


def refusal_part(words: str) -> dict[str, Any]:
    """A part with a refusal."""
    return {"type": "refusal", "refusal": words}


def reasoning_item(identity: str, words: str) -> dict[str, Any]:
    """What the model showed of its reasoning; no summary of ours is made of it."""
    content = [{"type": "reasoning_text", "text": words}] if words else []
    return {"id": identity, "type": "reasoning", "summary": [], "content": content}


def call_item(identity: str, status: str, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """A function call."""
    return {
        "id": identity,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }
