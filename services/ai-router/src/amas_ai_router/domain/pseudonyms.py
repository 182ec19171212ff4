"""Stands in for sensitive values on their way to a model, and puts them back on their way to the caller.

The mapping lives in the memory of one call. It must never be logged, kept or sent anywhere.
"""

from __future__ import annotations

import re
from collections import Counter

from .findings import replace_findings

# A call with more different values than this is no conversation; it is refused.
MAX_PSEUDONYMS = 10_000
# Longest token (characters): the longest name of a detector, a number, and the brackets.
MAX_TOKEN = 32

TOKEN = re.compile(r"<[A-Z][A-Z0-9_]{0,23}_[1-9][0-9]{0,4}>")
_BEGUN = re.compile(r"<[A-Z0-9_]*")


class TooManyPseudonymsError(ValueError):
    """More values than MAX_PSEUDONYMS."""


class Pseudonyms:
    """Tokens such as `<EMAIL_1>`, one for each value, numbered as the values come: models repeat them as they are.

    `reserved` are tokens that the caller wrote himself: those are given to no value, and come back as they are.
    """

    __slots__ = ("_categories", "_count", "_reserved", "_tokens", "_values")

    def __init__(self, categories: frozenset[str], reserved: frozenset[str] = frozenset()) -> None:
        self._categories = categories
        self._reserved = reserved
        self._tokens: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._count: Counter[str] = Counter()

    def __repr__(self) -> str:
        """How many; never which."""
        return f"Pseudonyms({len(self._values)})"

    def __len__(self) -> int:
        """Different values."""
        return len(self._values)

    @property
    def by_detector(self) -> dict[str, int]:
        """Different values by detector."""
        found: Counter[str] = Counter()
        for token in self._values:
            found[token[1 : token.rindex("_")].lower().replace("_", "-")] += 1
        return dict(found)

    def hide(self, key: str, text: str) -> str:
        """The text with a token in place of every finding. Raises ScanRefused, TooManyPseudonymsError."""
        return replace_findings(
            key, text, self._categories, lambda finding, value: self._token(finding.detector, value)
        )

    def restore(self, key: str, text: str) -> str:
        """The text with the values in place of their tokens; other tokens stay. The key says nothing here."""
        return TOKEN.sub(lambda match: self._values.get(match[0], match[0]), text) if "<" in text else text

    def _token(self, detector: str, value: str) -> str:
        known = self._tokens.get(value)
        if known is not None:
            return known
        if len(self._values) >= MAX_PSEUDONYMS:
            raise TooManyPseudonymsError(f"more than {MAX_PSEUDONYMS} values")
        name = detector.upper().replace("-", "_")
        token = ""
        # Ends: the caller's own tokens are finite.
        while not token or token in self._reserved:
            self._count[name] += 1
            token = f"<{name}_{self._count[name]}>"
        self._tokens[value] = token
        self._values[token] = value
        return token


class RestoringStream:
    """Puts values back in a text that comes in pieces; a token that was cut in two too."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece; answers what is certain. Holds MAX_TOKEN characters at most."""
        text = self._held + text
        begin = text.rfind("<")
        held = begin >= 0 and len(text) - begin < MAX_TOKEN and _BEGUN.fullmatch(text, begin) is not None
        certain, self._held = (text[:begin], text[begin:]) if held else (text, "")
        return self._pseudonyms.restore("", certain)

    def end(self) -> str:
        """What was held."""
        rest, self._held = self._held, ""
        return rest
