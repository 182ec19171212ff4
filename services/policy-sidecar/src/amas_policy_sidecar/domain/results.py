"""What becomes of a tool's answer before anyone sees it: redacted, cleaned of what acts unseen, and cut honestly.

Redaction always comes before the final cut, so that no secret gets through because it was cut in two (invariant I7).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from amas_governance.visible import MARK, cleaned, visible

from .data_flow import Hiding
from .model import ToolAnswer

# Longest text, and longest structured content, that is answered and recorded, in bytes of UTF-8: what a model is given
# at once. Both are contents of one audit event, which takes 8 MiB of them.
MAX_RESULT = 240 * 1024
# Bytes at most of what is said below an answer: that it was cut, or cleaned.
_NOTES = 256
# What is scanned beyond a cut, in characters, and thrown away: longer than any secret that the detectors know.
_MARGIN = 64 * 1024


@dataclass(frozen=True)
class Shaped:
    """An answer that may be shown. `structured` is JSON text, or None when there was none or it did not fit."""

    text: str
    structured: str | None
    truncated: bool

    @property
    def size(self) -> int:
        """Bytes that are handed on."""
        return _size(self.text) + (0 if self.structured is None else _size(self.structured))

    @property
    def json_text(self) -> str:
        """The structured content, or `{"text": ...}` for a tool that answers text alone."""
        return _dump({"text": self.text}) if self.structured is None else self.structured


def most_bytes(response_size: int) -> int:
    """Bytes at most of an answer as it is handed on: text, structured content and the notes below them."""
    return 2 * min(response_size, MAX_RESULT) + _NOTES


def response_size_within(most: int) -> int:
    """The size of a response with which the answer as it is handed on has at most so many bytes."""
    return max(0, (most - _NOTES) // 2)


def shape(answer: ToolAnswer, response_size: int, hiding: Hiding) -> Shaped:
    """Redact and bound an answer; `response_size` is the tool server's own bound in bytes."""
    bound = min(response_size, MAX_RESULT)
    text, cut = _shape_text(answer.text, bound, hiding)
    structured, dropped = _shape_structured(answer.structured, bound, hiding)
    return Shaped(text=text, structured=structured, truncated=cut or dropped)


def _shape_text(text: str, bound: int, hiding: Hiding) -> tuple[str, bool]:
    total = len(text.encode("utf-8", "replace"))
    shown = hiding.text(text[: bound + _MARGIN])
    if len(text) > bound + _MARGIN:
        shown = shown[: max(0, len(shown) - _MARGIN)]
    shown, marks = cleaned(shown)
    note = f"\n[cleaned: {marks} control, invisible or framing marks of the tool shown as {MARK}]" if marks else ""
    raw = shown.encode("utf-8", "replace")
    if total <= bound and len(raw) <= bound:
        return raw.decode("utf-8") + note, False
    kept = raw[:bound].decode("utf-8", "ignore")
    return f"{kept}\n[truncated: the first {len(kept.encode())} of {total} bytes]{note}", True


def _shape_structured(value: Any, bound: int, hiding: Hiding) -> tuple[str | None, bool]:
    if value is None:
        return None, False
    try:
        # Before and after: redaction is not begun on what will not fit, and may itself lengthen.
        if _size(_dump(value)) <= bound and _size(shown := _dump(_clean(hiding.value(value)))) <= bound:
            return shown, False
    except (ValueError, RecursionError):
        pass
    # Half a JSON document is none: the text, which is cut, says what there was.
    return None, True


def _clean(value: Any) -> Any:
    """The value with all its strings cleaned; raises ValueError if that makes two names of members the same."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        made = {visible(str(name)): _clean(item) for name, item in value.items()}
        if len(made) != len(value):
            raise ValueError("two members have the same visible name")
        return made
    return value


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _dump(value: Any) -> str:
    """JSON text without half surrogates; raises ValueError for what JSON does not know."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")
