"""Makes text from models, tools and users safe for a terminal: nothing in it can move the cursor or hide what it says.

An approver decides by what stands on the screen, so escape sequences and direction overrides are shown, never obeyed.
"""

import unicodedata

from amas_governance.visible import hidden_characters

ELLIPSIS = "…"
_SHOWN = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, *, multiline: bool = False) -> str:
    """The text with control and format characters written out. `multiline` keeps line feeds and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_character(character, multiline) for character in text)


def shortened(text: str, limit: int) -> str:
    """One printable line of at most `limit` characters."""
    line = printable(text)
    return line if len(line) <= limit else line[: limit - 1] + ELLIPSIS


def _character(character: str, multiline: bool) -> str:
    if multiline and character in "\n\t":
        return character
    if character in _SHOWN:
        return _SHOWN[character]
    # Cc: control, Cf: format (direction overrides, zero width), Cs: lone surrogates, Zl and Zp: separators. Fillers and
    # variation selectors, which are letters and marks by category, are as invisible.
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} or hidden_characters(character):
        return f"\\u{{{ord(character):04x}}}"
    return character
