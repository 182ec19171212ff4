"""Words of a text as comparisons see them, and those that may never differ between two texts that say the same."""

from __future__ import annotations

import re
import unicodedata

# Words with which a sentence turns into its opposite. English; other languages rely on what is learnt alone.
_TURNING = frozenset(
    (
        *("no", "not", "never", "none", "nothing", "neither", "nor", "without", "except", "unless", "false", "cannot"),
        *("can't", "won't", "don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "weren't", "haven't", "hasn't"),
        *("hadn't", "wouldn't", "shouldn't", "couldn't", "mustn't"),
    )
)
_WORD = re.compile(r"[^\W_]+(?:['.,:/-][^\W_]+)*")


def normal(text: str) -> str:
    """Letter case, compatibility forms (Unicode NFKC) and white space made equal."""
    plain = unicodedata.normalize("NFKC", text).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(plain.casefold().split())


def words(text: str) -> list[str]:
    """Words and numbers in their order; `3.14`, `don't` and `2026-01-01` are one word each."""
    return _WORD.findall(normal(text))


def deciding_words(text: str) -> list[str]:
    """Words with a digit, and words that negate."""
    return [word for word in words(text) if word in _TURNING or any(letter.isdigit() for letter in word)]
