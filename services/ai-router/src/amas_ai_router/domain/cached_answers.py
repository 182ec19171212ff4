"""Answers as caches keep them: which may be kept, and how they lie in a store that may lose, swap or cut them.

A stored value says which key and which label it belongs to. What does not open under the key and label that it was
asked for is no answer; it must never be an error, let alone another caller's answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Literal

import orjson
from amas_governance.labels import Label

from .lexical_embedding import Vector
from .model import Operation, Tokens, Usage
from .semantic_decision import Observations

CacheKind = Literal["memo", "semantic"]

# Largest answer that is kept, in bytes: Redis holds answers in memory, and one read must fit its time-out.
MAX_ANSWER_BYTES = 1024 * 1024
# Finish reasons of an answer that the model ended itself. `length` was cut, `content_filter` was taken away.
WHOLE = frozenset({"stop", "tool_calls", "function_call"})

# The first bytes of a stored value: the form's version. Another form is a miss.
_FORM = b"amas-answer-1\n"
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer with what it once cost. `body` of a stream is its chunks, one a line, without a last line feed."""

    body: bytes
    usage: Usage
    provider: str
    model: str
    kind: CacheKind
    finish: str


class Lead(StrEnum):
    """Who asks the model for a call that nothing is kept for."""

    MINE = "mine"
    ANOTHERS = "anothers"
    # The store is away, so nobody can know.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a store says to a call: the kept value, or who asks; `leader` is the token of the one who does."""

    value: bytes | None
    lead: Lead
    leader: str = ""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A question's vector, and what made it: vectors of different makers are never compared."""

    vector: Vector
    made_by: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The kept answer to the most similar question."""

    entry_id: str
    similarity: float
    seen: Observations
    value: bytes


def keepable(answer: CachedAnswer, operation: Operation, fields: dict[str, Any], *, stream: bool) -> bool:
    """Whether an answer to a request is whole, good and small enough to be given again."""
    if not answer.body or len(answer.body) > MAX_ANSWER_BYTES:
        return False
    if operation is Operation.EMBEDDINGS:
        return True
    if answer.finish not in WHOLE:
        return False
    # `finish` is the first choice's; only a request for several can have others.
    return fields.get("n") in (None, 1) or _all_whole(answer.body, stream=stream)


def _all_whole(body: bytes, *, stream: bool) -> bool:
    finished: dict[Any, bool] = {}
    for choice in _choices(body, stream=stream):
        index, reason = choice.get("index"), choice.get("finish_reason")
        finished[index] = finished.get(index, False) or reason in WHOLE
        if reason is not None and reason not in WHOLE:
            return False
    return bool(finished) and all(finished.values())


def answer_text(body: bytes, *, stream: bool) -> str:
    """The text of the first choice; empty where there is none."""
    part = "delta" if stream else "message"
    texts = []
    for choice in _choices(body, stream=stream):
        message = choice.get(part)
        if choice.get("index", 0) == 0 and isinstance(message, dict) and isinstance(message.get("content"), str):
            texts.append(message["content"])
    return "".join(texts)


def _choices(body: bytes, *, stream: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for document in body.splitlines() if stream else [body]:
        try:
            fields = orjson.loads(document)
        except orjson.JSONDecodeError:
            return []
        choices = fields.get("choices") if isinstance(fields, dict) else None
        if isinstance(choices, list):
            found.extend(choice for choice in choices if isinstance(choice, dict))
    return found


def seal(answer: CachedAnswer, key: str, label: Label) -> bytes:
    """The stored value: form, digest over key and content, one line of facts, the body."""
    tokens = answer.usage.tokens
    facts = orjson.dumps(
        {
            "label": label.to_dict(),
            "provider": answer.provider,
            "model": answer.model,
            "finish": answer.finish,
            "tokens": [tokens.input, tokens.cached_input, tokens.output, tokens.estimated],
            "cost": str(answer.usage.cost),
            "currency": answer.usage.currency,
        }
    )
    content = facts + b"\n" + answer.body
    return _FORM + _digest(key, content) + content


def unseal(value: bytes, key: str, label: Label, kind: CacheKind) -> CachedAnswer | None:
    """The answer of `seal`, or None for whatever was not sealed under this key and label."""
    start = len(_FORM) + _DIGEST_BYTES
    content = value[start:]
    if not value.startswith(_FORM) or value[len(_FORM) : start] != _digest(key, content):
        return None
    line, _, body = content.partition(b"\n")
    try:
        facts = orjson.loads(line)
        if facts["label"] != label.to_dict():
            return None
        given, cached, made, estimated = facts["tokens"]
        usage = Usage(Tokens(given, cached, made, estimated), Decimal(facts["cost"]), facts["currency"])
        return CachedAnswer(body, usage, facts["provider"], facts["model"], kind, facts["finish"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, InvalidOperation):
        return None


def _digest(key: str, content: bytes) -> bytes:
    name = key.encode()
    return hashlib.sha256(len(name).to_bytes(4) + name + content).digest()
