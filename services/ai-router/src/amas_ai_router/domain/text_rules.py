"""What is done to every text of an answer, in this order: redaction, stop patterns, pseudonyms put back.

Redaction comes first, so that a stop never leaves half a secret, and before the restoring, so that what the caller sent
himself comes back to him.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from amas_governance.dlp import Finding

from .findings import replace_findings
from .json_texts import rewritten, rewritten_json
from .pseudonyms import Pseudonyms
from .stop_rules import StopRules

# Counted where an answer is withheld because it cannot be scanned.
UNSCANNABLE = "unscannable"


class StopMatchedError(Exception):
    """A stop pattern matches in a text that is given whole or not at all."""


@dataclass(frozen=True, slots=True)
class TextRules:
    """The rules of one answer. `findings` counts what was redacted, by detector; it never holds a text."""

    redact: frozenset[str]
    stop: StopRules | None
    pseudonyms: Pseudonyms | None
    findings: Counter[str] = field(default_factory=Counter)

    def redacted(self, key: str, text: str) -> str:
        """A whole text without what is to be redacted. Raises ScanRefused."""
        return replace_findings(key, text, self.redact, self._mark) if self.redact else text

    def restored(self, key: str, text: str) -> str:
        """A whole text with the caller's own values in it again."""
        return text if self.pseudonyms is None else self.pseudonyms.restore(key, text)

    def apart(self, value: Any) -> Any:
        """A value that comes whole and ends nothing: names, citations. Raises ScanRefused, TooDeepError."""
        return rewritten(value, lambda key, text: self.restored(key, self.redacted(key, text)))

    def arguments(self, text: str) -> str:
        """The arguments of a tool call. Raises StopMatchedError: what was stopped must not be carried out."""
        text = rewritten_json(text, self.redacted)
        if self.stop is not None:
            rewritten_json(text, self.unstopped)
        return text if self.pseudonyms is None else rewritten_json(text, self.restored)

    def unstopped(self, _key: str, text: str) -> str:
        """The text itself. Raises StopMatchedError where a pattern matches."""
        if self.stop is not None and self.stop.first(text) is not None:
            raise StopMatchedError
        return text

    def _mark(self, finding: Finding, _text: str) -> str:
        self.findings[finding.detector] += 1
        return f"[redacted:{finding.detector}]"
