"""One text of a streamed answer on its way through the rules: redaction, stop patterns, pseudonyms put back."""

from __future__ import annotations

from amas_governance.dlp import ScanRefused, StreamRedactor

from .pseudonyms import RestoringStream
from .stop_rules import StoppingStream
from .text_rules import UNSCANNABLE, TextRules


class StreamText:
    """Once `stopped` it gives nothing any more.

    `received` counts the bytes (UTF-8) that came; `settled` and `spans` are positions among them.
    """

    def __init__(self, rules: TextRules) -> None:
        self.received = 0
        self.stopped = False
        self._rules = rules
        self._redactor = StreamRedactor(rules.redact) if rules.redact else None
        self._stopper = StoppingStream(rules.stop) if rules.stop is not None else None
        self._restorer = RestoringStream(rules.pseudonyms) if rules.pseudonyms is not None else None

    @property
    def settled(self) -> int:
        """The position before which it is certain what is redacted."""
        return self.received if self._redactor is None else self._redactor.settled

    @property
    def waits(self) -> bool:
        """Whether a stop pattern keeps text back that is redacted already."""
        return self._stopper is not None and self._stopper.holds

    @property
    def spans(self) -> list[tuple[int, int]]:
        """What was redacted, as positions; the reader empties it."""
        return [] if self._redactor is None else self._redactor.spans

    def feed(self, text: str) -> str:
        """The next piece; answers what may be released."""
        if self.stopped:
            return ""
        self.received += len(text.encode("utf-8", "surrogatepass"))
        if self._redactor is not None:
            try:
                text = self._counted(self._redactor, self._redactor.feed(text))
            except ScanRefused:
                return self._unscannable()
        if self._stopper is not None:
            text = self._stopper.feed(text)
            self.stopped = self._stopper.stopped
        if self._restorer is not None:
            text = self._restorer.feed(text)
            text += self._restorer.end() if self.stopped else ""
        return text

    def end(self) -> str:
        """What was held back, the text being complete."""
        if self.stopped:
            return ""
        text = ""
        if self._redactor is not None:
            try:
                text = self._counted(self._redactor, self._redactor.end())
            except ScanRefused:
                return self._unscannable()
        if self._stopper is not None:
            text = self._stopper.feed(text) + self._stopper.end()
            self.stopped = self._stopper.stopped
        if self._restorer is not None:
            text = self._restorer.feed(text) + self._restorer.end()
        return text

    def _counted(self, redactor: StreamRedactor, text: str) -> str:
        if redactor.findings:
            self._rules.findings.update(redactor.findings)
            redactor.findings.clear()
        return text

    def _unscannable(self) -> str:
        """Nothing more of a text that cannot be judged."""
        self._rules.findings[UNSCANNABLE] += 1
        self.stopped = True
        return ""
