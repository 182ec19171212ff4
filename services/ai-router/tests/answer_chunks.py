"""Chunks and answers of a model for the tests of response rules, and what a client reads out of what came through."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
from amas_ai_router.domain.response_rules import ResponseGuard, make_guard
from amas_governance.resources import ResponseRules

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
CARD = "4111 1111 1111 1111"
MAIL = "developer@example.com"
SECRET = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
EVERYTHING = ("secret", "pci", "pii")


def guard(redact: Any = EVERYTHING, stop: tuple[str, ...] = (), **options: Any) -> ResponseGuard:
    made = make_guard(ResponseRules(redact=redact, stop=stop), options.pop("pseudonyms", None), **options)
    assert made is not None
    return made


def chunk(delta: dict[str, Any], finish: str | None = None, *, index: int = 0, **members: Any) -> bytes:
    return orjson.dumps({**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish, **members}]})


def run(rules: ResponseGuard, chunks: list[bytes]) -> list[dict[str, Any]]:
    out = [given for data in chunks for given in rules.feed(data)]
    return [orjson.loads(data) for data in [*out, *rules.end()]]


def text(chunks: list[dict[str, Any]], key: str = "content", index: int = 0) -> str:
    choices = [choice for fields in chunks for choice in fields["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get(key) or "" for choice in choices)


def arguments(chunks: list[dict[str, Any]], call: int = 0) -> str:
    calls = [
        item
        for fields in chunks
        for choice in fields["choices"]
        for item in choice["delta"].get("tool_calls", [])
        if item["index"] == call
    ]
    return "".join(item["function"].get("arguments", "") for item in calls)


def pieces(whole: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    return [whole[a:b] for a, b in itertools.pairwise(places)]


def answer(message: dict[str, Any], **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop", **members}
    return {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice]}
