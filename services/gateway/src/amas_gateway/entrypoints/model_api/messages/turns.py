"""The turns of a Messages request as the messages of Chat Completions. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from amas_gateway.domain.errors import invalid
from amas_gateway.entrypoints.model_api.shapes import entries, fields, text

# Chat Completions has no field for it, and the model must know.
_FAILED = "The tool failed: "


def messages(given: object) -> list[dict[str, Any]]:
    """All messages. Raises INVALID_ARGUMENT naming the block."""
    turns = entries(given, "messages")
    if not turns:
        raise invalid("messages", "must not be empty")
    told: list[dict[str, Any]] = []
    for place, entry in enumerate(turns):
        path = f"messages[{place}]"
        turn = fields(entry, path)
        content = turn.get("content")
        match turn.get("role"):
            case "user":
                told += _user(content, f"{path}.content")
            case "assistant":
                told.append(_assistant(content, f"{path}.content"))
            case "system":
                told.append({"role": "system", "content": joined_text(content, f"{path}.content")})
            case _:
                raise invalid(f"{path}.role", "must be user, assistant or system")
    return told


def joined_text(found: object, path: str) -> str:
    """A text, or blocks that are all text, as one text."""
    if isinstance(found, str):
        return found
    pieces = []
    for place, entry in enumerate(entries(found, path)):
        block = fields(entry, f"{path}[{place}]")
        if block.get("type") != "text":
            raise invalid(f"{path}[{place}].type", "must be text")
        pieces.append(text(block.get("text"), f"{path}[{place}].text"))
    return "\n\n".join(pieces)


def _user(content: object, path: str) -> list[dict[str, Any]]:
    """A user's turn: the results of tools first, which must follow their calls at once, then all else."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for place, entry in enumerate(entries(content, path)):
        here = f"{path}[{place}]"
        block = fields(entry, here)
        if block.get("type") == "tool_result":
            results.append(_result(block, here, parts))
        else:
            parts.append(_part(block, here))
    if not results and not parts:
        raise invalid(path, "must be a string or a list of blocks")
    if all(part["type"] == "text" for part in parts) and len(parts) == 1:
        return [*results, {"role": "user", "content": parts[0]["text"]}]
    return [*results, {"role": "user", "content": parts}] if parts else results


def _result(block: dict[str, Any], path: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A tool's message, which holds text alone; its images are added to the user's `parts`."""
    call_id = text(block.get("tool_use_id"), f"{path}.tool_use_id")
    content = block.get("content")
    words = content if isinstance(content, str) else ""
    if content is not None and not isinstance(content, str):
        pieces = []
        for place, entry in enumerate(entries(content, f"{path}.content")):
            part = _part(fields(entry, f"{path}.content[{place}]"), f"{path}.content[{place}]")
            if part["type"] == "text":
                pieces.append(part["text"])
            else:
                parts.append(part)
        words = "\n\n".join(pieces)
    return {
        "role": "tool",
        "tool_call_id": call_id,
        "content": f"{_FAILED}{words}" if block.get("is_error") else words,
    }


def _part(block: dict[str, Any], path: str) -> dict[str, Any]:
    match block.get("type"):
        case "text":
            return {"type": "text", "text": text(block.get("text"), f"{path}.text")}
        case "image":
            return {"type": "image_url", "image_url": {"url": _image(block.get("source"), f"{path}.source")}}
        case "document":
            return _document(block, f"{path}.source")
        case _:
            raise invalid(f"{path}.type", "is not supported here")


def _image(found: object, path: str) -> str:
    source = fields(found, path)
    match source.get("type"):
        case "base64":
            return f"data:{text(source.get('media_type'), f'{path}.media_type')};base64,{_data(source, path)}"
        case "url":
            return text(source.get("url"), f"{path}.url")
        case _:
            raise invalid(f"{path}.type", "must be base64 or url: no files are kept here")


def _document(block: dict[str, Any], path: str) -> dict[str, Any]:
    source = fields(block.get("source"), path)
    match source.get("type"):
        case "text":
            return {"type": "text", "text": _data(source, path)}
        case "base64":
            name = block.get("title") if isinstance(block.get("title"), str) else "document.pdf"
            data = f"data:{text(source.get('media_type'), f'{path}.media_type')};base64,{_data(source, path)}"
            return {"type": "file", "file": {"filename": name, "file_data": data}}
        case _:
            raise invalid(f"{path}.type", "must be text or base64: nothing is fetched or kept here")


def _data(source: dict[str, Any], path: str) -> str:
    return text(source.get("data"), f"{path}.data")


def _assistant(content: object, path: str) -> dict[str, Any]:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    pieces: list[str] = []
    calls: list[dict[str, Any]] = []
    for place, entry in enumerate(entries(content, path)):
        here = f"{path}[{place}]"
        block = fields(entry, here)
        match block.get("type"):
            case "text":
                pieces.append(text(block.get("text"), f"{here}.text"))
            case "tool_use":
                arguments = orjson.dumps(fields(block.get("input"), f"{here}.input")).decode()
                calls.append(
                    {
                        "id": text(block.get("id"), f"{here}.id"),
                        "type": "function",
                        "function": {"name": text(block.get("name"), f"{here}.name"), "arguments": arguments},
                    }
                )
            case "thinking" | "redacted_thinking":
                # Signed for the model that thought it; another one can neither check nor use it.
                continue
            case _:
                raise invalid(f"{here}.type", "is not supported here")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(pieces) or None}
    if calls:
        message["tool_calls"] = calls
    return message
