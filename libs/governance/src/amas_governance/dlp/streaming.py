"""Redacts a text that comes in pieces as if it had come whole: no finding gets through because it was cut in two.

What cannot be the beginning of a finding is released at once; the rest waits, at most MAX_HELD bytes of it. A beginning
that is longer than that is redacted from its start, and its run is dropped to the end (fail closed): in that, and that
alone, the outcome differs from redacting the whole text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from .beginnings import BEGINNINGS, beginnings_of
from .detectors import KEY_END, PRIVATE_KEY
from .engine import ScanRefused
from .scanning import MAX_TEXT_BYTES, Finding, detectors_of, engine_of, findings_of

MAX_HELD = 4096
"""Bytes of a text that may wait for what follows; tokens, numbers and addresses are far shorter."""
KEY_END_REACH = 71
"""Bytes of the longest end marker of a private key, which may itself come in pieces."""

_KEY_END = re.compile(KEY_END.pattern.encode())
_RUN = re.compile(rb"[A-Za-z0-9._%+@/=-]*")
"""What findings without an upper bound on their length consist of."""
_WORD = re.compile(rb"[A-Za-z0-9_]")


class StreamRedactor:
    """One text of one stream; not for several threads.

    `findings` counts by detector. `spans` lists what was redacted as positions (bytes of UTF-8) in the incoming text,
    for a caller that must drop what belongs to it; the caller empties it.
    """

    def __init__(self, categories: frozenset[str]) -> None:
        """Redacts what belongs to one of the categories."""
        self.findings: Counter[str] = Counter()
        self.spans: list[tuple[int, int]] = []
        self._categories = categories
        self._detectors = detectors_of(categories)
        # What waits, and its position in the incoming text.
        self._held = b""
        self._at = 0
        # So many first bytes of it belong to a finding whose mark is out already.
        self._covered = 0
        # A byte like the one before `_held`: the boundaries of words depend on it.
        self._before = b""
        # Inside a private key: where its end marker may begin in `_held`.
        self._key: int | None = None
        self._in_run = False

    @property
    def settled(self) -> int:
        """The position in the incoming text (bytes) before which everything was released or redacted."""
        return self._at + self._covered

    def feed(self, text: str) -> str:
        """The next piece; answers what may be released. Raises ScanRefused for what cannot be scanned."""
        data = text.encode("utf-8", "surrogatepass")
        if not self._detectors or not data:
            self._at += len(data)
            return text
        self._held += data
        if len(self._held) > MAX_TEXT_BYTES:
            raise ScanRefused(f"longer than {MAX_TEXT_BYTES} bytes")
        if self._in_run:
            self._skip_run()
        if self._key is not None and not self._key_ends():
            return ""
        return self._advance(final=False) if self._held else ""

    def end(self) -> str:
        """What was held back, the text being complete. Raises ScanRefused as `feed` does."""
        if self._key is not None:
            # Half a key is a secret too.
            self._drop(len(self._held))
            self._key = None
        return self._advance(final=True) if self._held else ""

    def _advance(self, *, final: bool) -> str:
        raw, found, opened = self._look()
        own = self._beyond_covered(found)
        held = self._held
        overrun = ""
        if final or opened:
            # Nothing spans the first line of a private key, so what is before it is decided.
            cut = len(held)
        else:
            begins, overrun = self._beginning()
            spans = [(finding.start, finding.end) for finding in own]
            cut = _before_spanning(begins, [*raw, *spans])
            if len(held) - cut > MAX_HELD:
                cut = _before_spanning(begins, spans)
            overrun = overrun if len(held) - cut > MAX_HELD else ""
        parts, at = [], self._covered
        for finding in own:
            if finding.start < cut:
                parts += [held[at : finding.start], self._mark(finding.detector, finding.start, finding.end)]
                at = finding.end
        parts.append(held[at:cut])
        if overrun:
            parts.append(self._overrun(cut, overrun, own))
        elif opened:
            self._into_key(min(opened), own)
        else:
            self._drop(cut)
        return b"".join(parts).decode("utf-8", "surrogatepass")

    def _look(self) -> tuple[list[tuple[int, int]], list[Finding], list[int]]:
        """Spans that may not be parted, findings, ends of the first lines of keys without an end; all in `_held`."""
        shift = len(self._before)
        view = self._before + self._held
        matches = [match for match in engine_of(self._categories).longest(view) if match[1] >= shift]
        if not matches:
            return [], [], []
        # One character a byte: positions stay, and everything that is looked for is ASCII.
        text = view.decode("latin-1")
        raw = [(s - shift, e - shift) for index, s, e in matches if self._detectors[index].name != "card"]
        found = [
            Finding(finding.start - shift, finding.end - shift, finding.detector, finding.category)
            for finding in findings_of(text, matches, self._detectors)
        ]
        opened = [
            end - shift
            for index, _, end in matches
            if self._detectors[index].name == PRIVATE_KEY and KEY_END.search(text, end) is None
        ]
        return raw, found, opened

    def _beyond_covered(self, found: Iterable[Finding]) -> list[Finding]:
        """Findings of their own; one that overlaps what is covered is part of that."""
        own = []
        for finding in found:
            if finding.start >= self._covered:
                own.append(finding)
            elif finding.end > self._covered:
                self.spans.append((self._at + self._covered, self._at + finding.end))
                self._covered = finding.end
        return own

    def _beginning(self) -> tuple[int, str]:
        """Where the earliest beginning of a possible finding is in `_held`, and of which detector; else its end."""
        shift = len(self._before)
        size = len(self._held)
        earliest, detector = size, ""
        for index, begin, _ in beginnings_of(self._categories).longest(self._before + self._held):
            name = self._detectors[index].name
            start = max(begin - shift, size - (BEGINNINGS[name].reach or size), 0)
            if start < earliest:
                earliest, detector = start, name
        # Bytes of the form 10xxxxxx continue a character (RFC 3629).
        while 0 < earliest < size and self._held[earliest] & 0xC0 == 0x80:
            earliest -= 1
        return earliest, detector

    def _overrun(self, cut: int, detector: str, own: Sequence[Finding]) -> bytes:
        """Marks what is longer than may be held, and drops it up to where its run ends."""
        known = next((finding.detector for finding in own if finding.start == cut), detector)
        mark = b"" if cut < self._covered else self._mark(known, cut, len(self._held))
        self._drop(len(self._held))
        self._in_run = True
        return mark

    def _skip_run(self) -> None:
        run = _RUN.match(self._held)
        length = run.end() if run else 0
        self._in_run = length == len(self._held)
        if length:
            self.spans.append((self._at, self._at + length))
        self._drop(length)

    def _into_key(self, header_end: int, own: Sequence[Finding]) -> None:
        """From here on everything is dropped until the key ends; its mark is out."""
        start = own[-1].start if own and own[-1].end == len(self._held) else 0
        self._drop(start)
        self._covered = len(self._held)
        self._key = header_end - start
        self._key_ends()

    def _key_ends(self) -> bool:
        """Whether the key's end is in `_held`, which it then covers; else keeps only what the end may need."""
        closing = _KEY_END.search(self._held, self._key or 0)
        if closing is not None:
            self.spans.append((self._at + self._covered, self._at + closing.end()))
            self._covered = closing.end()
            self._key = None
            return True
        size = len(self._held)
        self.spans.append((self._at + self._covered, self._at + size))
        self._covered = size
        self._key = max(self._key or 0, size - KEY_END_REACH)
        if size > 2 * MAX_HELD:
            self._key -= size - MAX_HELD
            self._drop(size - MAX_HELD)
        return False

    def _mark(self, detector: str, start: int, end: int) -> bytes:
        self.findings[detector] += 1
        self.spans.append((self._at + start, self._at + end))
        return f"[redacted:{detector}]".encode()

    def _drop(self, length: int) -> None:
        """Forgets the first bytes of `_held`, except of which kind the last of them was."""
        if not length:
            return
        last = self._held[length - 1 : length]
        # No finding begins with an underscore, so what is gone cannot begin one again.
        self._before = b"_" if _WORD.match(last) else last
        self._held = self._held[length:]
        self._at += length
        self._covered = max(0, self._covered - length)


def prepare(categories: frozenset[str]) -> None:
    """Compiles the patterns now (up to a second for all categories) instead of when the first text comes."""
    if detectors_of(categories):
        engine_of(categories)
        beginnings_of(categories)


def _before_spanning(cut: int, spans: Iterable[tuple[int, int]]) -> int:
    """The nearest place at or before `cut` that is inside none of the spans."""
    for start, end in sorted(spans, reverse=True):
        if start < cut < end:
            cut = start
    return cut
