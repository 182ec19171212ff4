"""A Responses request as a Chat Completions request. Pure.

Source: OpenAI API reference, "Create a model response" and "Create chat completion".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_gateway.domain.errors import invalid
from amas_gateway.entrypoints.model_api.shapes import copied, entries, fields, only, text

from .items import messages

# Fields that mean the same in both APIs.
_SAME = {
    "model": "model",
    "stream": "stream",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_logprobs": "top_logprobs",
    "max_output_tokens": "max_completion_tokens",
    "user": "user",
    "safety_identifier": "safety_identifier",
    "service_tier": "service_tier",
    "prompt_cache_key": "prompt_cache_key",
    "prompt_cache_retention": "prompt_cache_retention",
}
# Read here or in `answer.py`. `store`, `metadata` and `max_tool_calls`, which counts built-in tools, move nothing here.
_READ = frozenset(
    {
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "include",
        "stream_options",
        "truncation",
        "background",
        "store",
        "metadata",
        "max_tool_calls",
    }
)
_STATEFUL = ("previous_response_id", "conversation", "prompt")
_LOGPROBS = "message.output_text.logprobs"
# Encrypted reasoning is what a stateless client asks for; a Chat Completions model has none to give.
_INCLUDABLE = (_LOGPROBS, "reasoning.encrypted_content")


def to_chat(found: Mapping[str, Any]) -> dict[str, Any]:
    """The Chat Completions request. Raises INVALID_ARGUMENT naming the field that cannot be served."""
    for name in _STATEFUL:
        if found.get(name) is not None:
            raise invalid(name, "is not supported: nothing is stored here, send the whole input")
    if found.get("background"):
        raise invalid("background", "is not supported: the answer is given at once")
    if found.get("truncation") not in (None, "disabled"):
        raise invalid("truncation", "must be disabled")
    only(found, _SAME.keys() | _READ)
    chat = copied(found, _SAME)
    chat["messages"] = messages(found.get("instructions"), found.get("input"))
    _add_tools(chat, found)
    _add_text(chat, found.get("text"))
    reasoning = fields(found.get("reasoning") or {}, "reasoning")
    if reasoning.get("effort") is not None:
        chat["reasoning_effort"] = reasoning["effort"]
    included = entries(found.get("include"), "include")
    for place, name in enumerate(included):
        if name not in _INCLUDABLE:
            raise invalid(f"include[{place}]", "is not supported here")
    if _LOGPROBS in included or "top_logprobs" in chat:
        chat["logprobs"] = True
    if found.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def _add_tools(chat: dict[str, Any], found: Mapping[str, Any]) -> None:
    tools = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(entries(found.get("tools"), "tools"))]
    if not tools:
        return
    chat["tools"] = tools
    if found.get("parallel_tool_calls") is not None:
        chat["parallel_tool_calls"] = found["parallel_tool_calls"]
    if found.get("tool_choice") is not None:
        chat["tool_choice"] = _tool_choice(found["tool_choice"])


def _tool(found: object, path: str) -> dict[str, Any]:
    tool = fields(found, path)
    if tool.get("type") != "function":
        raise invalid(f"{path}.type", "must be function: built-in tools are not offered here")
    text(tool.get("name"), f"{path}.name")
    names = {name: name for name in ("name", "description", "parameters", "strict")}
    return {"type": "function", "function": copied(tool, names)}


def _tool_choice(found: object) -> object:
    if isinstance(found, str):
        return found
    choice = fields(found, "tool_choice")
    match choice.get("type"):
        case "function":
            return {"type": "function", "function": {"name": text(choice.get("name"), "tool_choice.name")}}
        case "allowed_tools":
            allowed = [
                _tool_choice({**fields(tool, "tool_choice.tools"), "type": tool.get("type")})
                for tool in entries(choice.get("tools"), "tool_choice.tools")
            ]
            return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode", "auto"), "tools": allowed}}
        case _:
            raise invalid("tool_choice.type", "must be function or allowed_tools")


def _add_text(chat: dict[str, Any], found: object) -> None:
    if found is None:
        return
    wanted = fields(found, "text")
    if wanted.get("verbosity") is not None:
        chat["verbosity"] = wanted["verbosity"]
    form = wanted.get("format")
    if form is None:
        return
    form = fields(form, "text.format")
    match form.get("type"):
        case "text":
            return
        case "json_object":
            chat["response_format"] = {"type": "json_object"}
        case "json_schema":
            names = {name: name for name in ("name", "description", "schema", "strict")}
            chat["response_format"] = {"type": "json_schema", "json_schema": copied(form, names)}
        case _:
            raise invalid("text.format.type", "must be text, json_object or json_schema")
