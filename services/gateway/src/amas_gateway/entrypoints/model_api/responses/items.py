"""The input items of a Responses request as the messages of Chat Completions. Pure."""

from __future__ import annotations

from typing import Any

from amas_gateway.domain.errors import invalid
from amas_gateway.entrypoints.model_api.shapes import entries, fields, text

# Tuples, as what is looked for in them may be any JSON, also what cannot be hashed.
_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = ("input_text", "output_text", "text")
_STATELESS = "is not supported: nothing is stored here, send the item itself"


def messages(instructions: object, given: object) -> list[dict[str, Any]]:
    """All messages, the instructions first. Raises INVALID_ARGUMENT naming the item."""
    told: list[dict[str, Any]] = []
    if instructions is not None:
        told.append({"role": "system", "content": text(instructions, "instructions")})
    if isinstance(given, str):
        return [*told, {"role": "user", "content": given}]
    if given is None:
        raise invalid("input", "must be a string or a list of items")
    for place, item in enumerate(entries(given, "input")):
        _add(told, fields(item, f"input[{place}]"), f"input[{place}]")
    return told


def _add(told: list[dict[str, Any]], item: dict[str, Any], path: str) -> None:
    match item.get("type", "message"):
        case "message":
            role = item.get("role")
            if role not in _ROLES:
                raise invalid(f"{path}.role", "must be user, assistant, system or developer")
            told.append({"role": role, "content": _content(item.get("content"), f"{path}.content")})
        case "function_call":
            _calls_of_last(told).append(
                {
                    "id": text(item.get("call_id"), f"{path}.call_id"),
                    "type": "function",
                    "function": {
                        "name": text(item.get("name"), f"{path}.name"),
                        "arguments": text(item.get("arguments"), f"{path}.arguments"),
                    },
                }
            )
        case "function_call_output":
            call_id = text(item.get("call_id"), f"{path}.call_id")
            output = _content(item.get("output"), f"{path}.output", texts_only=True)
            told.append({"role": "tool", "tool_call_id": call_id, "content": output})
        case "reasoning":
            # A model behind Chat Completions keeps no thread of thought that it could take up again.
            return
        case "item_reference":
            raise invalid(f"{path}.type", _STATELESS)
        case _:
            raise invalid(f"{path}.type", "is not supported here")


def _calls_of_last(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls of the assistant's message under way: what it said and all that it called are one message."""
    if not told or told[-1]["role"] != "assistant":
        told.append({"role": "assistant", "content": None})
    calls: list[dict[str, Any]] = told[-1].setdefault("tool_calls", [])
    return calls


def _content(found: object, path: str, *, texts_only: bool = False) -> object:
    if isinstance(found, str):
        return found
    parts = [
        _part(fields(part, f"{path}[{place}]"), f"{path}[{place}]", texts_only=texts_only)
        for place, part in enumerate(entries(found, path))
    ]
    if not parts:
        raise invalid(path, "must be a string or a list of parts")
    return parts


def _part(part: dict[str, Any], path: str, *, texts_only: bool) -> dict[str, Any]:
    kind = part.get("type")
    if kind in _TEXTS:
        return {"type": "text", "text": text(part.get("text"), f"{path}.text")}
    if texts_only:
        raise invalid(f"{path}.type", "must be input_text: tools answer in text here")
    match kind:
        case "refusal":
            return {"type": "refusal", "refusal": text(part.get("refusal"), f"{path}.refusal")}
        case "input_image":
            if part.get("image_url") is None:
                raise invalid(f"{path}.file_id", _STATELESS)
            image = {"url": text(part["image_url"], f"{path}.image_url")}
            if part.get("detail") is not None:
                image["detail"] = text(part["detail"], f"{path}.detail")
            return {"type": "image_url", "image_url": image}
        case "input_file":
            if part.get("file_data") is None:
                raise invalid(f"{path}.file_data", "is required: nothing is stored or fetched here")
            kept = {name: part[name] for name in ("filename", "file_data") if part.get(name) is not None}
            return {"type": "file", "file": kept}
        case "input_audio":
            return {"type": "input_audio", "input_audio": fields(part.get("input_audio"), f"{path}.input_audio")}
        case _:
            raise invalid(f"{path}.type", "is not supported here")
