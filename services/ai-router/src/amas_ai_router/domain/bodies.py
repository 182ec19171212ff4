"""Reads the JSON bodies of the OpenAI API as far as the router must, and passes everything else through untouched."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from .errors import AttemptError, FailureReason, body_invalid
from .model import Operation, Tokens

# Rough characters a token where a provider reports no usage; real tokenizers give 3 to 5 for English.
BYTES_PER_TOKEN = 4

# orjson reads 1,024 levels and writes 254.
WRITABLE_DEPTH = 254

_REQUIRED = {Operation.CHAT: "messages", Operation.EMBEDDINGS: "input"}
_ANSWERED = {Operation.CHAT: "choices", Operation.EMBEDDINGS: "data"}


def parse_request(operation: Operation, body: bytes) -> dict[str, Any]:
    """The request's fields. Raises BODY_INVALID for what is no such request."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise body_invalid("the body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise body_invalid("the body is not a JSON object")
    if too_deep(body, fields):
        raise body_invalid("the body is nested too deep")
    required = _REQUIRED[operation]
    if not fields.get(required):
        raise body_invalid(f"`{required}` is missing or empty")
    if operation is Operation.CHAT and not isinstance(fields["messages"], list):
        raise body_invalid("`messages` is not a list")
    return fields


def request_digest(operation: Operation, route: str, fields: dict[str, Any], *, stream: bool) -> str:
    """What makes two requests the same: operation, form, route and body, whatever the order of its keys."""
    seen = hashlib.sha256(f"{operation}\0{stream:d}\0{route}\0".encode())
    seen.update(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))
    return f"sha256:{seen.hexdigest()}"


def too_deep(content: bytes, fields: dict[str, Any]) -> bool:
    """Whether JSON that was read is nested deeper than can be written again."""
    if content.count(b"[") + content.count(b"{") <= WRITABLE_DEPTH:
        return False
    try:
        orjson.dumps(fields)
    except TypeError:
        return True
    return False


def parse_answer(operation: Operation, body: bytes) -> dict[str, Any]:
    """The fields of an answer. Raises AttemptError for a body that is no answer, an error inside a 200 included."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer is not valid JSON") from error
    if not isinstance(fields, dict):
        raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer is not a JSON object")
    if operation is Operation.CHAT and too_deep(body, fields):
        raise AttemptError(FailureReason.RESPONSE_INVALID, "the answer is nested too deep")
    if fields.get("error"):
        raise AttemptError(FailureReason.SERVER_ERROR, "an error inside a 200")
    answered = fields.get(_ANSWERED[operation])
    if not isinstance(answered, list) or not answered:
        raise AttemptError(FailureReason.RESPONSE_INVALID, f"the answer has no {_ANSWERED[operation]}")
    return fields


def reported_tokens(fields: dict[str, Any]) -> Tokens | None:
    """The usage that a provider reports, or None where it reports none that makes sense."""
    usage = fields.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    given, made = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens", 0))
    if given is None or made is None:
        return None
    return Tokens(input=given, cached_input=min(cached or 0, given), output=made)


def estimate(request_bytes: int, answer_bytes: int) -> Tokens:
    """A count by size, marked as estimated; never zero for what was sent."""
    return Tokens(
        input=max(1, -(-request_bytes // BYTES_PER_TOKEN)),
        cached_input=0,
        output=-(-answer_bytes // BYTES_PER_TOKEN),
        estimated=True,
    )


def used_tokens(operation: Operation, fields: dict[str, Any], request_bytes: int, answer_bytes: int) -> Tokens:
    """What a whole answer says that it used, else a count by size; vectors are no tokens."""
    made = answer_bytes if operation is Operation.CHAT else 0
    return reported_tokens(fields) or estimate(request_bytes, made)


def finish_reason(fields: dict[str, Any]) -> str:
    """Why the first choice ended, or empty."""
    choices = fields.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    reason = first.get("finish_reason") if isinstance(first, dict) else None
    return reason[:64] if isinstance(reason, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
