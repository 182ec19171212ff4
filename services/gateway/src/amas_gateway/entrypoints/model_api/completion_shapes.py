"""Reads what a model answered in Chat Completions form, defensively: a provider may leave out what it likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from amas_chassis.errors import ErrorKind

from amas_gateway.domain.errors import RepeatUnsafeError


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens, as Chat Completions counts them: `cached` is a part of `prompt`, `reasoning` a part of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


def answer_invalid() -> RepeatUnsafeError:
    """The model's answer, which is paid for, is none that can be told in another API."""
    return RepeatUnsafeError(ErrorKind.INTERNAL, "MODEL_RESPONSE_INVALID", "The model gave no valid answer.")


def parsed(data: bytes) -> dict[str, Any]:
    """An answer or a chunk. Raises MODEL_RESPONSE_INVALID."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise answer_invalid() from error
    if not isinstance(found, dict):
        raise answer_invalid()
    return found


def written(answer: Mapping[str, Any]) -> bytes:
    """An answer as JSON. Raises MODEL_RESPONSE_INVALID for what a model has nested too deep."""
    try:
        return orjson.dumps(answer)
    except TypeError as error:
        raise answer_invalid() from error


def mapping(found: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return found if isinstance(found, dict) else {}


def listed(found: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def first_choice(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choice with index 0: a translated request asks for one alone."""
    return next((choice for choice in listed(found.get("choices")) if choice.get("index", 0) == 0), {})


def said(message: Mapping[str, Any], name: str) -> str:
    """A text field of a message or a delta; empty if there is none."""
    value = message.get(name)
    return value if isinstance(value, str) else ""


def thought(message: Mapping[str, Any]) -> str:
    """What a model shows of its reasoning, under either of the names that providers use."""
    return said(message, "reasoning_content") or said(message, "reasoning")


def used(found: Mapping[str, Any]) -> Used | None:
    """The usage, if it was reported."""
    usage = found.get("usage")
    if not isinstance(usage, dict):
        return None
    return Used(
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        _count(mapping(usage.get("prompt_tokens_details")), "cached_tokens"),
        _count(mapping(usage.get("completion_tokens_details")), "reasoning_tokens"),
    )


def _count(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
