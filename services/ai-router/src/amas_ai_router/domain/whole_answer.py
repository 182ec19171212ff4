"""A whole answer under a route's response rules."""

from __future__ import annotations

from typing import Any

from amas_governance.dlp import ScanRefused, scan

from .delta_texts import LABELS
from .guarded_choice import STOPPED
from .json_texts import TooDeepError, joined, rewritten
from .text_rules import UNSCANNABLE, StopMatchedError, TextRules

# Members of a choice that can hold what the model wrote in yet another form; they go where anything was redacted.
_KNOWN = frozenset({"index", "message", "finish_reason", "content_filter_results"})
# In this order a model writes; what comes after a stop is not delivered.
_FIRST = ("reasoning_content", "reasoning", "content", "refusal")
# Tools to be called; a stopped choice calls none.
_CALLS = ("tool_calls", "function_call")

_Fields = dict[str, Any]


def guarded(fields: _Fields, rules: TextRules) -> _Fields:
    """The answer as it may go out; itself if nothing was changed."""
    try:
        return _guarded(fields, rules)
    except (ScanRefused, TooDeepError):
        # What cannot be judged does not go out.
        rules.findings[UNSCANNABLE] += 1
        return _withheld(fields)


def _guarded(fields: _Fields, rules: TextRules) -> _Fields:
    fresh = _redacted(fields, rules)
    choices = fresh.get("choices")
    if rules.stop is not None and isinstance(choices, list):
        stopped = [_stopped(choice, rules) for choice in choices]
        if any(new is not old for new, old in zip(stopped, choices, strict=True)):
            fresh = {**fresh, "choices": stopped}
    return fresh if rules.pseudonyms is None else rewritten(fresh, rules.restored)


def _redacted(fields: _Fields, rules: TextRules) -> _Fields:
    bare = _without_logprobs(fields)
    # One scan of everything first: most answers have nothing to find.
    if not rules.redact or not scan(joined(bare), rules.redact):
        return fields
    fresh: _Fields = rewritten(bare, rules.redacted)
    if fresh is bare:
        return fields
    choices = fields.get("choices")
    if not isinstance(choices, list):
        return fresh
    pairs = zip(fresh["choices"], bare["choices"], choices, strict=True)
    return {**fresh, "choices": [given if new is old else _known(new) for new, old, given in pairs]}


def _known(choice: Any) -> Any:
    return {key: choice[key] for key in choice if key in _KNOWN} if isinstance(choice, dict) else choice


def _without_logprobs(fields: _Fields) -> _Fields:
    """Log probabilities spell out what stands elsewhere; token by token there is nothing to find in them."""
    choices = fields.get("choices")
    if not isinstance(choices, list):
        return fields
    bare = [
        {key: value for key, value in choice.items() if key != "logprobs"} if isinstance(choice, dict) else choice
        for choice in choices
    ]
    return {**fields, "choices": bare}


def _stopped(choice: Any, rules: TextRules) -> Any:
    message = choice.get("message") if isinstance(choice, dict) else None
    stop = rules.stop
    if stop is None or not isinstance(message, dict):
        return choice
    at_end = False

    def cut(key: str, text: str) -> str:
        nonlocal at_end
        if not key or key in LABELS:
            return text
        if at_end:
            return ""
        begin = stop.first(text)
        at_end = begin is not None
        return text if begin is None else text[:begin]

    fresh = dict(message)
    others = [key for key in message if key not in _FIRST and key not in LABELS and key not in _CALLS]
    for key in (*_FIRST, *others):
        if message.get(key) is not None:
            fresh[key] = rewritten(message[key], cut, key)
    if not at_end and not _calls_stopped(message, rules):
        return choice
    return {
        **_known(choice),
        "message": {key: value for key, value in fresh.items() if key not in _CALLS},
        "finish_reason": STOPPED,
    }


def _calls_stopped(message: _Fields, rules: TextRules) -> bool:
    try:
        for key in _CALLS:
            rewritten(message.get(key), rules.unstopped)
    except StopMatchedError:
        return True
    return False


def _withheld(fields: _Fields) -> _Fields:
    """What is left of an answer that cannot be judged: that there was one, and what it used."""
    kept: _Fields = {key: fields[key] for key in ("id", "object", "created", "model", "usage") if key in fields}
    choices = fields.get("choices")
    count = len(choices) if isinstance(choices, list) else 0
    message = {"role": "assistant", "content": ""}
    return {**kept, "choices": [{"index": n, "message": message, "finish_reason": STOPPED} for n in range(count)]}
