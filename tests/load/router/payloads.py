"""What is asked and what the scripted upstream answers: small, fixed, and the same for every system under test."""

from __future__ import annotations

import re

import orjson

MODEL = "scripted"
CHUNKS = 16
"""Chunks of a streamed answer that carry text; the first names the role, the last two finish and count."""
USAGE = {"prompt_tokens": 12, "completion_tokens": CHUNKS, "total_tokens": 12 + CHUNKS}
VARIANTS = 32
"""Different prompts of one size, so that nothing that keeps answers can help anybody."""
STREAMS = re.compile(rb'"stream"\s*:\s*true')
"""Is found in a request for a stream, however a gateway writes its JSON. No prompt contains it."""
_WORDS = "the quick brown fox jumps over the lazy dog and runs on "
_CREATED = 1_790_000_000


def requests(model: str, size: int, *, stream: bool) -> list[bytes]:
    """Bodies of about `size` bytes that differ in their first words.

    Raises:
        ValueError: nothing fits into so few bytes.
    """
    found = []
    for number in range(VARIANTS):
        empty = len(_request(model, "", stream=stream))
        if size <= empty + len(_WORDS):
            raise ValueError(f"a request has at least {empty + len(_WORDS)} bytes, {size} were asked for")
        text = f"{number:04d} " + _WORDS * (size // len(_WORDS) + 1)
        found.append(_request(model, text[: size - empty], stream=stream))
    return found


def _request(model: str, text: str, *, stream: bool) -> bytes:
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are brief."}, {"role": "user", "content": text}],
        "temperature": 0.2,
        "max_tokens": 64,
    }
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps(body)


def completion() -> bytes:
    """A whole answer."""
    text = " ".join(f"word{number}" for number in range(CHUNKS))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
    return orjson.dumps({**_head("chat.completion"), "choices": [choice], "usage": USAGE})


def events() -> list[bytes]:
    """A streamed answer, one server-sent event an item; the last is `[DONE]`."""
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": f"word{number} "}, None) for number in range(CHUNKS)]
    deltas.append(({}, "stop"))
    chunks = [
        {
            **_head("chat.completion.chunk"),
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
        }
        for delta, finish in deltas
    ]
    chunks.append({**_head("chat.completion.chunk"), "choices": [], "usage": USAGE})
    return [*(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def _head(kind: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-scripted",
        "object": kind,
        "created": _CREATED,
        "model": MODEL,
        "system_fingerprint": "fp_1",
    }
