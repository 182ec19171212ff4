"""Chat Completions as Bedrock's Converse API, and its answers and events as OpenAI's. Pure: nothing is sent here.

Shapes: botocore's service model of bedrock-runtime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from amas_ai_router.domain.errors import AttemptError, FailureReason
from amas_ai_router.domain.model import ProviderAnswer

from .chat_answer import Chunks, Said, Spent
from .chat_content import Block, Media, Text, ToolUse, refused
from .chat_request import ChatRequest, Tool

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_PDF = "application/pdf"
# What Converse allows in the name of a document.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_CHOICES: Mapping[str, dict[str, Any]] = {"auto": {"auto": {}}, "required": {"any": {}}}
_FINISH = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_NUMBERS = {"temperature": "temperature", "top_p": "topP"}
_EFFORTS = frozenset({"low", "medium", "high", "xhigh"})


def to_converse(request: ChatRequest, *, most_tokens: int) -> dict[str, Any]:
    """The body of a request; `most_tokens` bounds an answer for which the caller names no bound."""
    inference: dict[str, Any] = {_NUMBERS[name]: value for name, value in request.numbers.items()}
    inference["maxTokens"] = request.max_tokens or most_tokens
    if request.stop:
        inference["stopSequences"] = request.stop
    body: dict[str, Any] = {
        "messages": [
            {"role": turn.role, "content": [_block(block) for block in turn.blocks]} for turn in request.turns
        ],
        "inferenceConfig": inference,
    }
    if request.system:
        body["system"] = [{"text": text} for text in request.system]
    if request.tools:
        body["toolConfig"] = {"tools": [{"toolSpec": _tool(tool)} for tool in request.tools], **_choice(request)}
    output: dict[str, Any] = {}
    if request.schema is not None:
        schema = {"schema": orjson.dumps(request.schema).decode()}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    if request.effort is not None:
        if request.effort not in _EFFORTS:
            raise refused(f"`reasoning_effort` {request.effort} is not supported by this provider", "reasoning_effort")
        output["effort"] = request.effort
    if output:
        body["outputConfig"] = output
    return body


def _tool(tool: Tool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name, "inputSchema": {"json": tool.schema}}
    if tool.description:
        made["description"] = tool.description
    if tool.strict is not None:
        made["strict"] = tool.strict
    return made


def _choice(request: ChatRequest) -> dict[str, Any]:
    if not request.parallel:
        raise refused("`parallel_tool_calls` cannot be turned off at this provider", "parallel_tool_calls")
    if request.choice is None:
        return {}
    if request.choice == "none":
        raise refused("`tool_choice` none is not supported by this provider", "tool_choice")
    named = {"tool": {"name": request.chosen}}
    return {"toolChoice": named if request.choice == "function" else _CHOICES[request.choice]}


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Text):
        return {"text": block.text}
    if isinstance(block, Media):
        return _media(block)
    if isinstance(block, ToolUse):
        return {"toolUse": {"toolUseId": block.id, "name": block.name, "input": block.arguments}}
    return {"toolResult": {"toolUseId": block.id, "content": [_block(part) for part in block.content]}}


def _media(media: Media) -> dict[str, Any]:
    if media.url:
        raise refused("this provider takes images as base64 only", "messages")
    source = {"bytes": media.data}
    if media.media_type == _PDF:
        name = _NOT_IN_NAMES.sub(" ", media.name).strip()[:200] or "document"
        return {"document": {"format": "pdf", "name": name, "source": source}}
    if media.media_type not in _IMAGES:
        raise refused(f"images of type {media.media_type} are not supported by this provider", "messages")
    return {"image": {"format": _IMAGES[media.media_type], "source": source}}


def from_converse(answer: Any, *, identity: str, model: str, created: int) -> ProviderAnswer:
    """A whole answer. Raises AttemptError for what is none."""
    output = answer.get("output") if isinstance(answer, dict) else None
    message = output.get("message") if isinstance(output, dict) else None
    blocks = message.get("content") if isinstance(message, dict) else None
    if not isinstance(blocks, list):
        raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer has no message")
    said = Said(identity, model, _finish(answer.get("stopReason")), _count(answer.get("usage")))
    for block in blocks:
        if not isinstance(block, dict):
            continue
        if isinstance(block.get("text"), str):
            said.text.append(block["text"])
        thought = _inner(_inner(block, "reasoningContent"), "reasoningText").get("text")
        if isinstance(thought, str):
            said.reasoning.append(thought)
        if "toolUse" in block:
            use = _inner(block, "toolUse")
            said.call(str(use.get("toolUseId")), str(use.get("name")), use.get("input") or {})
    return said.answer(created)


def _finish(reason: object) -> str:
    return _FINISH.get(str(reason), "stop")


def _count(usage: Any) -> Spent:
    given = usage if isinstance(usage, dict) else {}

    def count(name: str) -> int:
        value = given.get(name)
        return value if isinstance(value, int) and value >= 0 else 0

    return Spent(
        fresh=count("inputTokens"),
        cached=count("cacheReadInputTokens"),
        written=count("cacheWriteInputTokens"),
        output=count("outputTokens"),
    )


def _inner(fields: Any, name: str) -> dict[str, Any]:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, dict) else {}


class ConverseEvents:
    """The events of one stream as chunks; `done` once the usage came, `finished` once the answer is whole."""

    __slots__ = ("_calling", "_chunks", "_reports_usage", "done", "finished")

    def __init__(self, *, identity: str, model: str, created: int, reports_usage: bool) -> None:
        self._chunks = Chunks(identity, model, created)
        self._reports_usage = reports_usage
        # Whether a call is under way of whose arguments nothing has come yet.
        self._calling = False
        self.finished = False
        self.done = False

    def feed(self, kind: str, event: Any) -> list[bytes]:
        """The chunks that an event makes."""
        if kind == "contentBlockDelta":
            return self._delta(_inner(event, "delta"))
        if kind == "contentBlockStart":
            use = _inner(_inner(event, "start"), "toolUse")
            if not use:
                return []
            self._calling = True
            return [self._chunks.call(str(use.get("toolUseId")), str(use.get("name")))]
        if kind == "contentBlockStop":
            calling, self._calling = self._calling, False
            # Clients must be able to read the arguments as JSON, also when there are none.
            return [self._chunks.arguments("{}")] if calling else []
        if kind == "messageStart":
            return [self._chunks.start()]
        if kind == "messageStop":
            self.finished = True
            return [self._chunks.finish(_finish(_inner({"event": event}, "event").get("stopReason")))]
        if kind == "metadata":
            self.done = True
            usage = _inner(event, "usage")
            return [self._chunks.usage(_count(usage))] if self._reports_usage and usage else []
        return []

    def _delta(self, delta: dict[str, Any]) -> list[bytes]:
        if isinstance(delta.get("text"), str):
            return [self._chunks.text(delta["text"])]
        piece = _inner(delta, "toolUse").get("input")
        if isinstance(piece, str) and piece:
            self._calling = False
            return [self._chunks.arguments(piece)]
        thought = _inner(delta, "reasoningContent").get("text")
        return [self._chunks.reasoning(thought)] if isinstance(thought, str) else []
