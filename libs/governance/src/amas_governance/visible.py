"""Text of a tool for a model, a terminal or a log: what would act unseen is replaced by a visible mark.

Three things act unseen: control characters (a terminal obeys them), invisible characters (a model reads instructions
that no human sees) and the marks that chat templates frame messages with (a model takes the text for that of another).
It must never drop anything silently: whoever replaces says how much.
"""

from __future__ import annotations

import re

MARK = "\N{REPLACEMENT CHARACTER}"

# All of C0 and C1 but tab and newline.
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
# Soft hyphen, direction marks and overrides, zero-width space, word joiner, byte order mark, fillers, annotations,
# tags, and the variation selectors that carry bytes. Not the joiners of Indic and Arabic script and of emoji.
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN = re.compile(f"[{_CONTROL}{_INVISIBLE}]")
# `<|im_start|>`, `<|eot_id|>`, `<start_of_turn>`, `[INST]`, `<<SYS>>`: the special tokens of the common templates.
_FRAMING = re.compile(
    r"<\|[A-Za-z0-9_]{1,40}\|>|<\uff5c[^<>\uff5c\n]{1,40}\uff5c>|</?(?:start_of_turn|end_of_turn|tool_response|function_results)>"
    r"|\[/?(?:INST|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS)\]|<</?SYS>>"
)


def hidden_characters(text: str) -> list[str]:
    """The control and invisible characters of a text, each once, by number: `U+E0041`. A line end is none."""
    found = set(_HIDDEN.findall(text.replace("\r\n", "\n")))
    return [f"U+{ord(character):04X}" for character in sorted(found)]


def visible(text: str) -> str:
    """The text with a mark in place of everything that acts unseen."""
    return cleaned(text)[0]


def cleaned(text: str) -> tuple[str, int]:
    """The same, and how many marks were set."""
    text, hidden = _HIDDEN.subn(MARK, text.replace("\r\n", "\n"))
    text, framing = _FRAMING.subn(MARK, text)
    return text, hidden + framing
