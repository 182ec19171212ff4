"""A Messages request as a Chat Completions request. Pure.

Source: Anthropic API reference, "Create a Message".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_gateway.domain.errors import invalid
from amas_gateway.entrypoints.model_api.shapes import copied, entries, fields, only, text

from .turns import joined_text, messages

# Fields that mean the same in both APIs. `top_k` and `thinking` are none of OpenAI's, yet providers that know them take
# them under these names; one that does not refuses the request, and its words reach the client.
_SAME = {
    "model": "model",
    "stream": "stream",
    "max_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "thinking": "thinking",
    "stop_sequences": "stop",
}
# `service_tier` and `cache_control` are wishes about Anthropic's own capacity and caches: there is nothing to act on.
_READ = frozenset(
    {"messages", "system", "tools", "tool_choice", "metadata", "output_config", "service_tier", "cache_control"}
)
_TOOL_FIELDS = frozenset(
    {"type", "name", "description", "input_schema", "strict", "cache_control", "eager_input_streaming"}
)
_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}


def to_chat(found: Mapping[str, Any]) -> dict[str, Any]:
    """The Chat Completions request. Raises INVALID_ARGUMENT naming the field that cannot be served."""
    only(found, _SAME.keys() | _READ)
    most = found.get("max_tokens")
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise invalid("max_tokens", "must be a whole number above 0")
    entries(found.get("stop_sequences"), "stop_sequences")
    # Providers refuse an empty list of stops, which means as much as none.
    chat = copied({name: value for name, value in found.items() if value != []}, _SAME)
    if mapping_type(found.get("thinking")) == "disabled":
        del chat["thinking"]
    told = [{"role": "system", "content": joined_text(found["system"], "system")}] if found.get("system") else []
    chat["messages"] = told + messages(found.get("messages"))
    _add_tools(chat, found)
    _add_output(chat, found.get("output_config"))
    user = fields(found.get("metadata") or {}, "metadata").get("user_id")
    if user is not None:
        chat["user"] = text(user, "metadata.user_id")
    if found.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def mapping_type(found: object) -> object:
    """The `type` of an object, None for what is none."""
    return found.get("type") if isinstance(found, dict) else None


def _add_tools(chat: dict[str, Any], found: Mapping[str, Any]) -> None:
    tools = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(entries(found.get("tools"), "tools"))]
    if not tools:
        return
    chat["tools"] = tools
    if found.get("tool_choice") is None:
        return
    choice = fields(found["tool_choice"], "tool_choice")
    kind = choice.get("type")
    if kind == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": text(choice.get("name"), "tool_choice.name")}}
    elif isinstance(kind, str) and kind in _CHOICES:
        chat["tool_choice"] = _CHOICES[kind]
    else:
        raise invalid("tool_choice.type", "must be auto, any, tool or none")
    if choice.get("disable_parallel_tool_use"):
        chat["parallel_tool_calls"] = False


def _tool(found: object, path: str) -> dict[str, Any]:
    tool = fields(found, path)
    if tool.get("type") not in (None, "custom"):
        raise invalid(f"{path}.type", "must be custom: Anthropic's own tools are not offered here")
    only(tool, _TOOL_FIELDS, f"{path}.")
    text(tool.get("name"), f"{path}.name")
    names = {"name": "name", "description": "description", "input_schema": "parameters", "strict": "strict"}
    return {"type": "function", "function": copied(tool, names)}


def _add_output(chat: dict[str, Any], found: object) -> None:
    if found is None:
        return
    wanted = fields(found, "output_config")
    only(wanted, ("effort", "format"), "output_config.")
    if wanted.get("effort") is not None:
        chat["reasoning_effort"] = wanted["effort"]
    if wanted.get("format") is None:
        return
    form = fields(wanted["format"], "output_config.format")
    if form.get("type") != "json_schema":
        raise invalid("output_config.format.type", "must be json_schema")
    schema = fields(form.get("schema"), "output_config.format.schema")
    # Chat Completions wants a name for it, which Anthropic's API does not have.
    chat["response_format"] = {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": True},
    }
