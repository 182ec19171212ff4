"""Where single values stem from: the scalar values of trusted inputs, so that an argument can be traced back to one.

A label says that a context is tainted; this says which values in it still come from somebody who is trusted. A value is
traced by being exactly the same, of the same type, and never by a part of it: whatever an attacker can put around a
trusted text is not that text. Bounds only ever forget values, and what is forgotten is not trusted (fail closed).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .canonical import JsonRefused, canonical_json

MAX_VALUES = 512
"""Values that are kept for one context."""
MAX_VALUE_BYTES = 2048
"""Canonical JSON of one value; a longer text is a content, no recipient, path or account."""
MAX_TOTAL_BYTES = 64 * 1024
"""Canonical JSON of all values together."""
MIN_CHARACTERS = 3
"""A shorter value proves nothing: `1` in a trusted input does not vouch for the account 1."""

_EMAIL = re.compile(r"([A-Za-z0-9._%+-]+)@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")


def scalars(value: Any) -> Iterator[Any]:
    """The texts and numbers in a JSON value, depth first; keys, booleans and null prove no origin."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Mapping):
            pending.extend(reversed(list(part.values())))
        elif isinstance(part, list | tuple):
            pending.extend(reversed(part))
        elif isinstance(part, str | int | float) and not isinstance(part, bool):
            yield part


def canonical_value(value: Any) -> str:
    """Canonical JSON, with the domain of an e-mail address in lower case; empty if the value proves nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, str) and (email := _EMAIL.fullmatch(value)):
        value = f"{email[1]}@{email[2].lower()}"
    try:
        text = canonical_json(value).decode()
    except JsonRefused:
        return ""
    characters = len(text) - 2 if isinstance(value, str) else len(text)
    return text if characters >= MIN_CHARACTERS and len(text.encode()) <= MAX_VALUE_BYTES else ""


@dataclass(frozen=True)
class TrustedValues:
    """A bounded set of values, each as `canonical_value` writes it, in the order in which they became known."""

    texts: tuple[str, ...] = ()
    _set: frozenset[str] = field(init=False, repr=False, compare=False)

    NONE: ClassVar[TrustedValues]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_set", frozenset(self.texts))

    @classmethod
    def of(cls, value: Any) -> TrustedValues:
        """All scalars of a value that as a whole is trusted."""
        return cls.bounded(canonical_value(scalar) for scalar in scalars(value))

    @classmethod
    def bounded(cls, texts: Iterable[str]) -> TrustedValues:
        """These canonical texts, each once, as far as the bounds go."""
        kept: dict[str, None] = {}
        total = 0
        for text in texts:
            if not text or text in kept:
                continue
            total += len(text.encode("utf-8", "replace"))
            if total > MAX_TOTAL_BYTES or len(kept) >= MAX_VALUES:
                break
            kept[text] = None
        return cls(tuple(kept))

    def union(self, other: TrustedValues) -> TrustedValues:
        """Both, the older ones first."""
        if not other.texts or other._set <= self._set:
            return self
        return self.bounded((*self.texts, *other.texts))

    def within(self, value: Any) -> TrustedValues:
        """Those of these values that stand in `value`: what is left of them in something made from this context."""
        return self.bounded(
            text for text in (canonical_value(scalar) for scalar in scalars(value)) if text in self._set
        )

    def __contains__(self, value: object) -> bool:
        """Whether the scalar is one of these values."""
        text = canonical_value(value)
        return bool(text) and text in self._set

    def to_list(self) -> list[str]:
        """Plain JSON form."""
        return list(self.texts)


TrustedValues.NONE = TrustedValues()
