"""Ends a text where a route's stop pattern matches: what is before the match is delivered, nothing from there on.

On a stream as much of the text is held back as a match can be long, but never more than MAX_LOOK_BACK: of a longer
match, all but the last MAX_LOOK_BACK characters have gone out when it is seen.
"""

from __future__ import annotations

import functools

import re2  # type: ignore[import-untyped]  # ships no types

from .pattern_width import longest_match

# Characters of a text that wait for the end of a match at most.
MAX_LOOK_BACK = 256
# Different sets of patterns kept compiled; routes have few.
_MAX_COMPILED = 256


class StopRules:
    """The patterns of a route (RE2, so linear in time)."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = tuple(re2.compile(pattern) for pattern in patterns)
        widths = [longest_match(pattern) for pattern in patterns]
        # One more, since a boundary or an anchor asks for the character behind the match.
        self.look_back = max(MAX_LOOK_BACK if w is None else min(w + 1, MAX_LOOK_BACK) for w in widths)

    def first(self, text: str, start: int = 0) -> int | None:
        """Where the earliest match at or after `start` begins; what is before `start` counts for boundaries."""
        found = [match.start() for pattern in self._patterns if (match := pattern.search(text, start)) is not None]
        return min(found, default=None)


@functools.lru_cache(_MAX_COMPILED)
def compiled(patterns: tuple[str, ...]) -> StopRules:
    """The rules of these patterns, which the resource has checked."""
    return StopRules(patterns)


class StoppingStream:
    """One text of one stream. Once `stopped`, it gives nothing any more."""

    def __init__(self, rules: StopRules) -> None:
        self._rules = rules
        self._held = ""
        self._before = ""
        self.stopped = False

    @property
    def holds(self) -> bool:
        """Whether anything waits."""
        return bool(self._held)

    def feed(self, text: str) -> str:
        """The next piece; answers what may be released."""
        return self._advance(text, self._rules.look_back)

    def end(self) -> str:
        """What was held, the text being complete."""
        return self._advance("", 0)

    def _advance(self, text: str, look_back: int) -> str:
        if self.stopped:
            return ""
        self._held += text
        # Up to here no match can begin that more text could change.
        certain = max(len(self._held) - look_back, 0)
        if look_back and not certain:
            return ""
        match = self._rules.first(self._before + self._held, len(self._before))
        begin = None if match is None else match - len(self._before)
        if begin is not None and (begin < certain or not look_back):
            self.stopped = True
            released, self._held = self._held[:begin], ""
            return released
        released, self._held = self._held[:certain], self._held[certain:]
        self._before = released[-1:] or self._before
        return released
