"""Forms the bodies of the OpenAI API: completions, their chunks, embeddings, models and errors."""

import hashlib
import struct
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import orjson

from . import tokens
from .conversation import Answer, Conversation
from .embedding import embed
from .model_names import MODELS

# Characters of text in one streamed chunk.
CHUNK_CHARACTERS = 24


def error(message: str, kind: str, code: str | None = None) -> bytes:
    """An error body as OpenAI sends it."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def models() -> bytes:
    """The list of models."""
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "amas"} for name in MODELS]
    return orjson.dumps({"object": "list", "data": data})


def embeddings(model: str, texts: list[str], dimensions: int, *, base64: bool = False) -> bytes:
    """An embeddings body, one vector a text: numbers, or little-endian float32 in base64."""
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector = embed(text, dimensions)
        told = b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": told})
    used = sum(tokens.count(text) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return orjson.dumps({"object": "list", "data": data, "model": model, "usage": usage})


class Completion:
    """One answer in both its forms. Ids follow from the request, so that a repeated request gives the same answer."""

    def __init__(self, model: str, request: bytes, conversation: Conversation, answer: Answer) -> None:
        self._model = model
        self._seed = hashlib.sha256(request).hexdigest()
        self._answer = answer
        self._prompt_tokens = tokens.count(conversation.prompt_text())

    def body(self) -> bytes:
        """The whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": self._answer.content or None, "refusal": None}
        if self._answer.calls:
            message["tool_calls"] = self._calls()
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish()}
        return orjson.dumps(
            {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()},
        )

    def chunks(self, *, include_usage: bool) -> Iterator[bytes]:
        """The answer as server-sent events, `[DONE]` included."""
        yield self._event({"role": "assistant", "content": None if self._answer.calls else ""})
        for index, call in enumerate(self._calls()):
            yield from self._call_events(index, call)
        for start in range(0, len(self._answer.content), CHUNK_CHARACTERS):
            yield self._event({"content": self._answer.content[start : start + CHUNK_CHARACTERS]})
        yield self._event({}, self._finish())
        if include_usage:
            last = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()}
            yield b"data: " + orjson.dumps(last) + b"\n\n"
        yield b"data: [DONE]\n\n"

    def _call_events(self, index: int, call: dict[str, Any]) -> Iterator[bytes]:
        arguments = call["function"]["arguments"]
        begun = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        yield self._event({"tool_calls": [{"index": index, **begun}]})
        for start in range(0, len(arguments), CHUNK_CHARACTERS):
            piece = {"arguments": arguments[start : start + CHUNK_CHARACTERS]}
            yield self._event({"tool_calls": [{"index": index, "function": piece}]})

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + orjson.dumps({**self._head("chat.completion.chunk"), "choices": [choice]}) + b"\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._seed[:24]}",
            "object": kind,
            "created": int(time.time()),
            "model": self._model,
        }

    def _finish(self) -> str:
        return "tool_calls" if self._answer.calls else "stop"

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"call_{self._seed[:20]}{index:04d}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_text},
            }
            for index, call in enumerate(self._answer.calls)
        ]

    def _usage(self) -> dict[str, Any]:
        said = self._answer.content + "".join(call.name + call.arguments_text for call in self._answer.calls)
        output = tokens.count(said)
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": output,
            "total_tokens": self._prompt_tokens + output,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
