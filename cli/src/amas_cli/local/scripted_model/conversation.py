"""Reads a Chat Completions request: what was asked, what is offered, what the tools answered.

Never raises for odd content: a model has to live with whatever it is told.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

# A `{` that opens no JSON object is skipped; so many are tried before the search gives up.
MAX_JSON_STARTS = 64
_AGENT = re.compile(r"^You are the agent ([a-z0-9-]+)\.")


@dataclass(frozen=True)
class ToolCall:
    """What a model asks for: the function's name and its arguments, or their `text` where it writes no plain object."""

    name: str
    arguments: dict[str, Any]
    text: str = ""

    @property
    def arguments_text(self) -> str:
        """The arguments as they go over the wire."""
        return self.text or orjson.dumps(self.arguments).decode()


@dataclass(frozen=True)
class ToolResult:
    """What came back for one earlier call; `text` is empty when the tool said nothing."""

    name: str
    text: str


@dataclass(frozen=True)
class Answer:
    """What a rule answers: text, or calls, never both."""

    content: str = ""
    calls: tuple[ToolCall, ...] = ()


def text_of(content: object) -> str:
    """The text of a message's `content`, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def object_of(text: str) -> dict[str, Any]:
    """The JSON object that a text is; empty when it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def strings_of(value: object) -> list[str]:
    """All texts in a JSON value, in order; of a text that is JSON, a note behind it or not, those inside it."""
    if isinstance(value, str):
        inner, rest = _document(value)
        return [value] if inner is None else [*strings_of(inner), *([rest] if rest else [])]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in strings_of(item)]
    return []


def _document(text: str) -> tuple[dict[str, Any] | list[Any] | None, str]:
    """The object or list that a text begins with, and what follows it; None where it begins with neither."""
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None, text
    return (value, text.lstrip()[end:].strip()) if isinstance(value, dict | list) else (None, text)


def first_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in `text`, which may stand inside a sentence or a code fence."""
    decoder = json.JSONDecoder()
    start = -1
    for _ in range(MAX_JSON_STARTS):
        start = text.find("{", start + 1)
        if start < 0:
            return None
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


class Conversation:
    """One request, read once."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        messages = body.get("messages")
        self._messages = [m for m in messages if isinstance(m, Mapping)] if isinstance(messages, list) else []
        self._body = body

    @cached_property
    def system(self) -> str:
        """The instructions."""
        return "\n".join(text_of(m.get("content")) for m in self._messages if m.get("role") in ("system", "developer"))

    @cached_property
    def user_texts(self) -> list[str]:
        """What the user said, in order."""
        return [text_of(m.get("content")) for m in self._messages if m.get("role") == "user"]

    @cached_property
    def input(self) -> dict[str, Any]:
        """The step's input: the first JSON object that a user message holds; empty when there is none."""
        for text in self.user_texts:
            found = first_object(text)
            if found is not None:
                return found
        return {}

    @cached_property
    def agent(self) -> str:
        """Name of the agent that the instructions speak to; empty when they name none."""
        found = _AGENT.search(self.system)
        return found[1] if found else ""

    @cached_property
    def tools(self) -> tuple[str, ...]:
        """Names of the functions on offer."""
        offered = self._body.get("tools")
        names = []
        for tool in offered if isinstance(offered, list) else []:
            function = tool.get("function") if isinstance(tool, Mapping) else None
            name = function.get("name") if isinstance(function, Mapping) else None
            if isinstance(name, str):
                names.append(name)
        return tuple(names)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema that the answer must satisfy; empty when none was given."""
        wanted = self._body.get("response_format")
        inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
        schema = inner.get("schema") if isinstance(inner, Mapping) else None
        return schema if isinstance(schema, dict) else {}

    @cached_property
    def output_fields(self) -> frozenset[str]:
        """Names of the properties of the wanted answer."""
        properties = self.schema.get("properties")
        return frozenset(properties) if isinstance(properties, dict) else frozenset()

    @cached_property
    def results(self) -> list[ToolResult]:
        """What the tools answered, in order, each with the name of its function."""
        return self._results(self._messages)

    @cached_property
    def results_since_user(self) -> list[ToolResult]:
        """What the tools answered after the user's last words."""
        last = max((at for at, message in enumerate(self._messages) if message.get("role") == "user"), default=-1)
        return self._results(self._messages[last + 1 :])

    @staticmethod
    def _results(messages: list[Mapping[str, Any]]) -> list[ToolResult]:
        names: dict[str, str] = {}
        results = []
        for message in messages:
            calls = message.get("tool_calls")
            for call in calls if isinstance(calls, list) else []:
                function = call.get("function") if isinstance(call, Mapping) else None
                if isinstance(function, Mapping):
                    names[str(call.get("id"))] = str(function.get("name"))
            if message.get("role") == "tool":
                name = names.get(str(message.get("tool_call_id")), "")
                results.append(ToolResult(name, text_of(message.get("content"))))
        return results

    @cached_property
    def calls(self) -> list[ToolCall]:
        """What was asked for so far, in order, word for word."""
        found = []
        for message in self._messages:
            calls = message.get("tool_calls")
            for call in calls if isinstance(calls, list) else []:
                function = call.get("function") if isinstance(call, Mapping) else None
                if isinstance(function, Mapping):
                    text = str(function.get("arguments") or "")
                    found.append(ToolCall(str(function.get("name")), object_of(text), text))
        return found

    def last_result(self, name: str) -> ToolResult | None:
        """The newest answer of one function."""
        return next((result for result in reversed(self.results) if result.name == name), None)

    def wants(self, name: str) -> bool:
        """Whether a function is on offer and has not been used yet."""
        return name in self.tools and self.last_result(name) is None

    def without_results(self) -> "Conversation":
        """The same conversation before any tool was called."""
        kept = [m for m in self._messages if m.get("role") != "tool" and not m.get("tool_calls")]
        return Conversation({**self._body, "messages": kept})

    def prompt_text(self) -> str:
        """Everything that was said, for counting tokens."""
        return "\n".join(text_of(m.get("content")) for m in self._messages) + "\n" + "\n".join(self.tools)
