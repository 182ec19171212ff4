"""Makes answers and chunks of the Chat Completions API from what providers of another API say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from amas_ai_router.domain.model import ProviderAnswer


@dataclass(slots=True)
class Spent:
    """Tokens as a provider reports them; `cached` and `written` (to its cache) are no part of `fresh`."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0

    def usage(self) -> dict[str, Any]:
        """OpenAI's words: all input is prompt, and what was read from the cache is a part of it."""
        prompt = self.fresh + self.cached + self.written
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self.output,
            "total_tokens": prompt + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


@dataclass(slots=True)
class Said:
    """A whole answer by its parts."""

    id: str
    model: str
    finish: str
    spent: Spent
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, identity: str, name: str, arguments: object) -> None:
        """Adds a call of a function."""
        function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
        self.calls.append({"id": identity, "type": "function", "function": function})

    def answer(self, created: int) -> ProviderAnswer:
        """The answer as OpenAI would give it; `created` in seconds since 1970."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self.text) or None, "refusal": None}
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = self.calls
        fields = {
            "id": self.id,
            "object": "chat.completion",
            "created": created,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}],
            "usage": self.spent.usage(),
        }
        return ProviderAnswer(orjson.dumps(fields), fields)


class Chunks:
    """Makes the chunks of one stream; calls of functions are counted from 0 as OpenAI does."""

    __slots__ = ("_calls", "_head")

    def __init__(self, identity: str, model: str, created: int) -> None:
        self._head = {"id": identity, "object": "chat.completion.chunk", "created": created, "model": model}
        self._calls = -1

    def start(self) -> bytes:
        """The first chunk, which only says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """More of the answer."""
        return self._chunk({"content": text})

    def reasoning(self, text: str) -> bytes:
        """More of what the model thinks, under the name that most clients know."""
        return self._chunk({"reasoning_content": text})

    def call(self, identity: str, name: str) -> bytes:
        """A call begins; its arguments follow."""
        self._calls += 1
        function = {"name": name, "arguments": ""}
        call = {"index": self._calls, "id": identity, "type": "function", "function": function}
        return self._chunk({"tool_calls": [call]})

    def arguments(self, text: str) -> bytes:
        """More of the arguments of the call that began last."""
        return self._chunk({"tool_calls": [{"index": self._calls, "function": {"arguments": text}}]})

    def finish(self, reason: str) -> bytes:
        """The end of the answer."""
        return self._chunk({}, reason)

    def usage(self, spent: Spent) -> bytes:
        """The last chunk of a stream that reports its usage."""
        return orjson.dumps({**self._head, "choices": [], "usage": spent.usage()})

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return orjson.dumps({**self._head, "choices": [choice]})
