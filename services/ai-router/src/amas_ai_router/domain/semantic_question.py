"""Which requests may be compared by similarity, and which part of them is compared.

Only the text of the last user message is; all else must be equal. Never compared are requests with tools of any kind
(the router cannot see what effect a tool has), with images, audio or files, for several choices, or for anything but
text: there a similar question is not nearly the same question.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .semantic_words import deciding_words

# Longest question that is compared, in characters: a whole document beside another one is not a similar question.
MAX_QUESTION_CHARS = 8_192

_TOOLS = ("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "web_search_options")
_OTHER_THAN_TEXT = ("audio", "prediction")


@dataclass(frozen=True, slots=True)
class Question:
    """The text that is compared, and the request without it, with the words that must be the same."""

    text: str
    rest: dict[str, Any]


def question_of(fields: dict[str, Any]) -> Question | None:
    """The comparable part of a chat request, or None if it must not be compared."""
    if any(fields.get(name) for name in (*_TOOLS, *_OTHER_THAN_TEXT)) or fields.get("n") not in (None, 1):
        return None
    if fields.get("modalities") not in (None, ["text"]):
        return None
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages or not all(_plain(message) for message in messages):
        return None
    last = messages[-1]
    text = _text(last.get("content"))
    if last.get("role") != "user" or not text or not text.strip() or len(text) > MAX_QUESTION_CHARS:
        return None
    # Numbers and negations decide an answer and hardly change a similarity, so they are no matter of similarity.
    deciding = sorted(Counter(deciding_words(text)).items())
    unasked = {name: value for name, value in last.items() if name != "content"}
    rest = {**fields, "messages": [*messages[:-1], unasked], "deciding_words": deciding}
    return Question(text, rest)


def _plain(message: object) -> bool:
    """Whether a message is text alone, without tools."""
    if not isinstance(message, dict) or message.get("role") in ("tool", "function"):
        return False
    if message.get("tool_calls") or message.get("function_call") or message.get("audio"):
        return False
    return _text(message.get("content")) is not None


def _text(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            return None
        texts.append(part["text"])
    return "\n".join(texts)
