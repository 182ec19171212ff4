"""The texts of a streamed choice's deltas, each on its own way through the rules, wherever in a delta it stands.

Strings at the top of a delta are texts that grow. Deeper ones are where their key says so (`_GROWING`); what else is
deeper comes whole (citations), and is judged whole.
"""

from __future__ import annotations

from typing import Any

from .json_texts import MAX_DEPTH, TooDeepError
from .stream_text import StreamText
from .text_rules import TextRules

# Members that say what a delta is, not what the model writes.
LABELS = frozenset({"role", "type", "id"})
# Keys of growing texts below the top: parts of contents, reasoning, transcripts of speech.
_GROWING = frozenset({"text", "thinking", "reasoning", "summary", "transcript", "refusal", "content"})
# Texts of one choice; no answer has so many, and each has its state.
MAX_TEXTS = 256

_Path = tuple[str | int, ...]


class TooManyTextsError(ValueError):
    """More than MAX_TEXTS."""


class DeltaTexts:
    """Those of one choice."""

    def __init__(self, rules: TextRules) -> None:
        self._rules = rules
        self._texts: dict[_Path, StreamText] = {}
        # The last member that a nested text stood in, to give its rest the same surroundings.
        self._around: dict[_Path, Any] = {}

    @property
    def stopped(self) -> bool:
        """Whether a rule ended one of the texts, and with it the choice."""
        return any(text.stopped for text in self._texts.values())

    def at(self, key: str) -> StreamText:
        """The text at the top of the deltas under a key."""
        return self._text((key,))

    def take(self, key: str, value: Any) -> tuple[Any, bool]:
        """A member as far as it may go on, and whether that says anything.

        Raises TooManyTextsError, TooDeepError, ScanRefused.
        """
        if isinstance(value, str):
            text = self._text((key,)).feed(value)
            return text, bool(text)
        if not isinstance(value, (dict, list)):
            return value, False
        fresh = self._nested(value, (key,), value)
        return fresh, _says(fresh)

    def finish(self) -> dict[str, Any]:
        """What was held back of all texts, as members of a delta."""
        delta: dict[str, Any] = {}
        for path, text in self._texts.items():
            rest = text.end()
            if rest and len(path) == 1:
                delta[str(path[0])] = rest
            elif rest:
                # Several texts of one member share the surroundings.
                key = str(path[0])
                delta[key] = _placed(delta.get(key, _blank(self._around[path])), path[1:], rest)
        return delta

    def _nested(self, value: Any, path: _Path, around: Any) -> Any:
        if len(path) > MAX_DEPTH:
            raise TooDeepError(f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            return {key: self._member(key, item, (*path, key), around) for key, item in value.items()}
        if isinstance(value, list):
            return [self._nested(item, (*path, place), around) for place, item in enumerate(value)]
        return self._rules.apart(value)

    def _member(self, key: str, value: Any, path: _Path, around: Any) -> Any:
        if key in LABELS:
            return value
        if not isinstance(value, str):
            return self._nested(value, path, around)
        if key not in _GROWING:
            return self._rules.apart(value)
        self._around[path] = around
        return self._text(path).feed(value)

    def _text(self, path: _Path) -> StreamText:
        text = self._texts.get(path)
        if text is None:
            if len(self._texts) >= MAX_TEXTS:
                raise TooManyTextsError(f"more than {MAX_TEXTS}")
            text = self._texts[path] = StreamText(self._rules)
        return text


def _says(value: Any) -> bool:
    """Whether anything but labels and empty texts is in it."""
    if isinstance(value, dict):
        return any(_says(item) for key, item in value.items() if key not in LABELS and key != "index")
    if isinstance(value, list):
        return any(_says(item) for item in value)
    return value not in ("", None)


def _blank(value: Any) -> Any:
    """The same shape without its growing texts."""
    if isinstance(value, dict):
        return {
            key: item if key in LABELS or key == "index" else "" if isinstance(item, str) else _blank(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_blank(item) for item in value]
    return value


def _placed(value: Any, path: _Path, text: str) -> Any:
    """The value with the text at a path; where the shapes of two chunks differ, beside what is there."""
    if not path:
        return text
    here, rest = path[0], path[1:]
    if isinstance(value, dict) and isinstance(here, str):
        return {**value, here: _placed(value.get(here), rest, text)}
    if isinstance(value, list) and isinstance(here, int) and here < len(value):
        return [_placed(item, rest, text) if place == here else item for place, item in enumerate(value)]
    return [_placed(None, rest, text)] if isinstance(here, int) else {here: _placed(None, rest, text)}
