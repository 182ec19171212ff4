"""Reads a Chat Completions request for providers of another API, which need every part of it by name.

What has no counterpart is refused with an error as OpenAI words it, never dropped: an answer to another question is
worse than none. Only fields that cannot change an answer may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from .chat_content import Block, Text, ToolResult, ToolUse, blocks_of, refused

# Fields without which the answer is the same: where it is kept, how it is routed, and whose it is.
_NO_EFFECT = frozenset({"model", "stream", "stream_options", "store", "metadata", "prompt_cache_key"})
# Fields whose default is what other providers do anyway.
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "service_tier": ("auto",),
}
_READ = frozenset(
    {
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "temperature",
        "top_p",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "user",
        "safety_identifier",
    }
)


@dataclass(slots=True)
class Turn:
    """One message; messages of the same role in a row are one turn. `role` is system, user or assistant."""

    role: str
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    schema: dict[str, Any]
    strict: bool | None


@dataclass(slots=True)
class ChatRequest:
    """A request by its parts. `choice` is auto, none, required or `function`, whose name is in `chosen`."""

    system: list[str]
    turns: list[Turn]
    tools: list[Tool]
    max_tokens: int | None
    stop: list[str]
    numbers: dict[str, float]
    choice: str | None = None
    chosen: str = ""
    parallel: bool = True
    schema: dict[str, Any] | None = None
    effort: str | None = None
    user: str | None = None
    reports_usage: bool = False


def read_chat(fields: Mapping[str, Any]) -> ChatRequest:
    """A request's parts. Raises RejectedError with an OpenAI error object for what cannot be translated."""
    given = {name: value for name, value in fields.items() if value is not None}
    for name, value in given.items():
        if name in _READ or name in _NO_EFFECT or value in _DEFAULTS.get(name, ()):
            continue
        raise refused(f"`{name}` is not supported by this provider", name)
    system, turns = _turns(given["messages"])
    options = given.get("stream_options")
    request = ChatRequest(
        system=system,
        turns=turns,
        tools=[_tool(tool) for tool in _list(given, "tools")],
        max_tokens=_max_tokens(given),
        stop=[given["stop"]] if isinstance(given.get("stop"), str) else _list(given, "stop"),
        numbers={name: given[name] for name in ("temperature", "top_p") if name in given},
        parallel=given.get("parallel_tool_calls") is not False,
        schema=_schema(given.get("response_format")),
        effort=None if given.get("reasoning_effort") is None else str(given["reasoning_effort"]),
        user=given.get("safety_identifier") or given.get("user"),
        reports_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )
    request.choice, request.chosen = _choice(given.get("tool_choice"))
    return request


def _turns(messages: Any) -> tuple[list[str], list[Turn]]:
    system: list[str] = []
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise refused(f"`{where}` is not an object", where)
        role, blocks = _message(message, where)
        if role == "system" and not turns:
            system += [block.text for block in blocks if isinstance(block, Text)]
        elif turns and turns[-1].role == role:
            turns[-1].blocks += blocks
        elif blocks:
            turns.append(Turn(role, blocks))
    return system, turns


def _message(message: dict[str, Any], where: str) -> tuple[str, list[Block]]:
    role = message.get("role")
    known = {"role", "content"}
    content = message.get("content")
    if role in ("system", "developer"):
        role, blocks = "system", blocks_of(content, where)
        if not all(isinstance(block, Text) for block in blocks):
            raise refused(f"`{where}` may hold text only", where)
    elif role == "user":
        blocks = blocks_of(content, where)
    elif role == "assistant":
        # What a model thought is no part of what was said; a provider that needs it again gives it no such name.
        known |= {"tool_calls", "reasoning_content"}
        blocks = blocks_of(content, where)
        calls = message.get("tool_calls") or []
        blocks += [_tool_use(call, where) for call in (calls if isinstance(calls, list) else [calls])]
    elif role == "tool":
        known |= {"tool_call_id", "name"}
        identity = message.get("tool_call_id")
        if not isinstance(identity, str):
            raise refused(f"`{where}.tool_call_id` is missing", where)
        role, blocks = "user", [ToolResult(identity, blocks_of(content, where))]
    else:
        raise refused(f"`{where}.role` is not supported by this provider", where)
    for name, value in message.items():
        if value and name not in known:
            raise refused(f"`{where}.{name}` is not supported by this provider", where)
    return role, blocks


def _tool_use(call: Any, where: str) -> ToolUse:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str):
        raise refused(f"`{where}.tool_calls` holds something else than calls of functions", where)
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except (orjson.JSONDecodeError, TypeError):
        arguments = None
    if not isinstance(arguments, dict) or not isinstance(function.get("name"), str):
        raise refused(f"`{where}.tool_calls` has arguments that are not a JSON object", where)
    return ToolUse(call["id"], function["name"], arguments)


def _tool(tool: Any) -> Tool:
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise refused("only tools of type `function` are supported by this provider", "tools")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return Tool(function["name"], function.get("description") or "", schema, function.get("strict"))


def _choice(choice: Any) -> tuple[str | None, str]:
    if choice is None or choice in ("auto", "none", "required"):
        return choice, ""
    function = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise refused("this `tool_choice` is not supported by this provider", "tool_choice")
    return "function", function["name"]


def _schema(response_format: Any) -> dict[str, Any] | None:
    kind = response_format.get("type") if isinstance(response_format, dict) else response_format
    if kind is None or kind == "text":
        return None
    schema = response_format.get("json_schema") if kind == "json_schema" else None
    if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
        raise refused("this provider supports `response_format` of type `json_schema` only", "response_format")
    wanted: dict[str, Any] = schema["schema"]
    return wanted


def _max_tokens(given: Mapping[str, Any]) -> int | None:
    bounds = [given[name] for name in ("max_completion_tokens", "max_tokens") if name in given]
    if not all(isinstance(bound, int) and not isinstance(bound, bool) and bound > 0 for bound in bounds):
        raise refused("the longest answer is not a positive number", "max_completion_tokens")
    return min(bounds, default=None)


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise refused(f"`{name}` is not a list", name)
    return value
