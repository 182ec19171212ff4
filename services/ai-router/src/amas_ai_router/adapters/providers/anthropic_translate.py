"""Chat Completions as Anthropic's Messages API, and its answers and events as OpenAI's. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import ProviderAnswer

from .chat_answer import Chunks, Said, Spent
from .chat_content import Block, Media, Text, ToolUse, refused
from .chat_request import ChatRequest

_EFFORTS = frozenset({"low", "medium", "high", "xhigh"})
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_CHOICES = {"auto": "auto", "none": "none", "required": "any", "function": "tool"}
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def to_messages(request: ChatRequest, *, model: str, most_tokens: int) -> dict[str, Any]:
    """The body of a request; `most_tokens` bounds an answer for which the caller names no bound: one is required."""
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens or most_tokens,
        "messages": [
            {"role": turn.role, "content": [_block(block) for block in turn.blocks]} for turn in request.turns
        ],
        **request.numbers,
    }
    if request.system:
        body["system"] = [{"type": "text", "text": text} for text in request.system]
    if request.stop:
        body["stop_sequences"] = request.stop
    if request.tools:
        body["tools"] = [_tool(request, index) for index in range(len(request.tools))]
        choice = _choice(request)
        if choice is not None:
            body["tool_choice"] = choice
    if request.user:
        body["metadata"] = {"user_id": request.user}
    output: dict[str, Any] = {}
    if request.schema is not None:
        output["format"] = {"type": "json_schema", "schema": request.schema}
    if request.effort is not None:
        if request.effort not in _EFFORTS:
            raise refused(f"`reasoning_effort` {request.effort} is not supported by this provider", "reasoning_effort")
        output["effort"] = request.effort
    if output:
        body["output_config"] = output
    return body


def _tool(request: ChatRequest, index: int) -> dict[str, Any]:
    tool = request.tools[index]
    made: dict[str, Any] = {"name": tool.name, "input_schema": tool.schema}
    if tool.description:
        made["description"] = tool.description
    if tool.strict is not None:
        made["strict"] = tool.strict
    return made


def _choice(request: ChatRequest) -> dict[str, Any] | None:
    if request.choice is None and request.parallel:
        return None
    kind = _CHOICES[request.choice or "auto"]
    choice: dict[str, Any] = {"type": kind}
    if kind == "tool":
        choice["name"] = request.chosen
    if not request.parallel and kind != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Text):
        return {"type": "text", "text": block.text}
    if isinstance(block, Media):
        return _media(block)
    if isinstance(block, ToolUse):
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.arguments}
    return {"type": "tool_result", "tool_use_id": block.id, "content": [_block(part) for part in block.content]}


def _media(media: Media) -> dict[str, Any]:
    if media.url:
        return {"type": "image", "source": {"type": "url", "url": media.url}}
    source = {"type": "base64", "media_type": media.media_type, "data": media.data}
    if media.media_type == "application/pdf":
        return {"type": "document", "source": source}
    if media.media_type not in _IMAGES:
        raise refused(f"images of type {media.media_type} are not supported by this provider", "messages")
    return {"type": "image", "source": source}


def from_message(message: Any, created: int) -> ProviderAnswer:
    """A whole answer. Raises AttemptError for what is none."""
    if isinstance(message, dict) and message.get("type") == "error":
        raise _error(_part(message, "error").get("type"))
    blocks = message.get("content") if isinstance(message, dict) else None
    if not isinstance(blocks, list) or message.get("type") != "message":
        raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer is no message")
    said = Said(
        id=str(message.get("id")),
        model=str(message.get("model")),
        finish=_finish(message.get("stop_reason")),
        spent=_count(Spent(), message.get("usage")),
    )
    for block in blocks:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            said.text.append(str(block.get("text")))
        elif kind == "thinking":
            said.reasoning.append(str(block.get("thinking")))
        elif kind == "tool_use":
            said.call(str(block.get("id")), str(block.get("name")), block.get("input") or {})
    return said.answer(created)


def _finish(reason: object) -> str:
    return _FINISH.get(str(reason), "stop")


def _count(spent: Spent, usage: Any) -> Spent:
    """Takes the counts that are there: those of a stream are cumulative, and each comes when it is known."""
    if not isinstance(usage, dict):
        return spent

    def count(value: object, before: int) -> int:
        return value if isinstance(value, int) and value >= 0 else before

    spent.fresh = count(usage.get("input_tokens"), spent.fresh)
    spent.cached = count(usage.get("cache_read_input_tokens"), spent.cached)
    spent.written = count(usage.get("cache_creation_input_tokens"), spent.written)
    spent.output = count(usage.get("output_tokens"), spent.output)
    details = usage.get("output_tokens_details")
    if isinstance(details, dict):
        spent.reasoning = count(details.get("thinking_tokens"), spent.reasoning)
    return spent


class Events:
    """The events of one stream as chunks; `done` once the provider said that the message is whole."""

    __slots__ = ("_arguments", "_chunks", "_created", "_reports_usage", "_spent", "done")

    def __init__(self, created: int, *, reports_usage: bool) -> None:
        self._created = created
        self._reports_usage = reports_usage
        self._chunks = Chunks("", "", created)
        self._spent = Spent()
        # The arguments of a call as its beginning gave them, until a piece of them has come; None outside of calls.
        self._arguments: object | None = None
        self.done = False

    def feed(self, event: Any) -> list[bytes]:
        """The chunks that an event makes. Raises AttemptError for an error event."""
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == "content_block_delta":
            return self._delta(_part(event, "delta"))
        if kind == "content_block_start":
            return self._start(_part(event, "content_block"))
        if kind == "content_block_stop":
            return self._stop()
        if kind == "message_start":
            message = _part(event, "message")
            _count(self._spent, message.get("usage"))
            self._chunks = Chunks(str(message.get("id")), str(message.get("model")), self._created)
            return [self._chunks.start()]
        if kind == "message_delta":
            _count(self._spent, event.get("usage"))
            reason = _part(event, "delta").get("stop_reason")
            return [self._chunks.finish(_finish(reason))] if reason else []
        if kind == "message_stop":
            self.done = True
            return [self._chunks.usage(self._spent)] if self._reports_usage else []
        if kind == "error":
            raise _error(_part(event, "error").get("type"))
        return []

    def _start(self, block: Mapping[str, Any]) -> list[bytes]:
        if block.get("type") == "tool_use":
            self._arguments = block.get("input") or {}
            return [self._chunks.call(str(block.get("id")), str(block.get("name")))]
        text = block.get("text")
        return [self._chunks.text(text)] if block.get("type") == "text" and isinstance(text, str) and text else []

    def _delta(self, delta: Mapping[str, Any]) -> list[bytes]:
        kind = delta.get("type")
        if kind == "text_delta":
            return [self._chunks.text(str(delta.get("text")))]
        if kind == "input_json_delta":
            piece = delta.get("partial_json")
            if not piece:
                return []
            self._arguments = None
            return [self._chunks.arguments(str(piece))]
        if kind == "thinking_delta":
            return [self._chunks.reasoning(str(delta.get("thinking")))]
        return []

    def _stop(self) -> list[bytes]:
        if self._arguments is None:
            return []
        # No piece came: clients must be able to read the arguments as JSON all the same.
        given, self._arguments = self._arguments, None
        return [self._chunks.arguments(orjson.dumps(given).decode())]


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    if not isinstance(part, dict):
        raise AttemptError(FailureReason.RESPONSE_INVALID, f"an event without {name}")
    return part


def _error(kind: object) -> AttemptError:
    limited = kind == "rate_limit_error"
    reason = FailureReason.RATE_LIMITED if limited else FailureReason.SERVER_ERROR
    # Inside a 200 nothing is certain: the provider had begun.
    return AttemptError(reason, "an error inside a 200", processed=True)
