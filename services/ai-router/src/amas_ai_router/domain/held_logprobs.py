"""Log probabilities of a streamed text, which spell it out: they wait as long as their text does, and go where it goes.

What belongs to a chunk of which anything was redacted is dropped.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from .stream_text import StreamText

# Tokens whose log probabilities may wait; what comes on top of them is dropped.
MAX_WAITING = 4096


class HeldLogprobs:
    """Those of one choice's content."""

    def __init__(self) -> None:
        # Tokens of one chunk, and where its text begins and ends in the incoming text.
        self._waiting: deque[tuple[list[Any], int, int]] = deque()
        self._count = 0
        self._spans: list[tuple[int, int]] = []

    def add(self, tokens: list[Any], start: int, end: int) -> None:
        """Tokens whose text is at [start, end)."""
        if self._count + len(tokens) <= MAX_WAITING:
            self._waiting.append((tokens, start, end))
            self._count += len(tokens)

    def ready(self, text: StreamText, *, ended: bool) -> list[Any]:
        """Tokens whose text is out; once it `ended` those of all that was delivered."""
        self._spans += text.spans
        text.spans.clear()
        if text.stopped:
            self._waiting.clear()
        out: list[Any] = []
        while self._waiting and (ended or (text.settled >= self._waiting[0][2] and not text.waits)):
            tokens, start, end = self._waiting.popleft()
            self._count -= len(tokens)
            # A token without text of its own (part of a character) goes with its place.
            if not any(begin < max(end, start + 1) and start < stop for begin, stop in self._spans):
                out += tokens
            self._spans = [span for span in self._spans if span[1] > end]
        return out
