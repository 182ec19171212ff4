"""The parts of a chat message, as providers of another API name them too. Rules are those of chat_request.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from amas_ai_router.domain.errors import RejectedError

from .failures import openai_error

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
_PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """An image or a document: base64 with its media type, or an address."""

    media_type: str
    data: str
    url: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A function that the model called."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a called function answered."""

    id: str
    content: list[Block]


Block = Text | Media | ToolUse | ToolResult


def blocks_of(content: Any, where: str) -> list[Block]:
    """The parts of a message's content; empty texts are nothing. Raises RejectedError."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, list):
        raise refused(f"`{where}.content` is neither text nor a list", where)
    blocks = [_block(part, where) for part in content]
    return [block for block in blocks if not isinstance(block, Text) or block.text]


def refused(message: str, param: str) -> RejectedError:
    """The refusal of a request that this provider has no words for."""
    return RejectedError(400, orjson.dumps(openai_error(message, param=param)).decode())


def _block(part: Any, where: str) -> Block:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal") and isinstance(part.get(kind), str):
        return Text(part[kind])
    if kind == "image_url" and isinstance(part.get(kind), dict) and isinstance(part[kind].get("url"), str):
        return _media(part[kind]["url"], where)
    if kind == "file" and isinstance(part.get(kind), dict) and isinstance(part[kind].get("file_data"), str):
        media = _media(part[kind]["file_data"], where)
        if media.media_type == _PDF:
            return Media(_PDF, media.data, "", str(part[kind].get("filename") or "document"))
    raise refused(f"`{where}.content` has a part that is not supported by this provider", where)


def _media(url: str, where: str) -> Media:
    matched = _DATA_URL.match(url)
    if matched is not None:
        return Media(matched[1], url[matched.end() :], "")
    if url.startswith("https://"):
        return Media("", "", url)
    raise refused(f"`{where}.content` has media that is neither base64 nor at an https address", where)
