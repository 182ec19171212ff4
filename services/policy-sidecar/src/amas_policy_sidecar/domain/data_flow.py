"""Which data may flow where: labels against clearances, and what of an answer its receiver may see.

Policies judge labels too; this check stands in the code as well, so that no policy can lower it. Findings are reported
by detector and count, never by what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amas_governance import dlp
from amas_governance.dlp.secrets import SECRET
from amas_governance.labels import Confidentiality, Label
from amas_governance.schema_labels import schema_label

from .errors import Denied
from .leaving import Token
from .model import ToolDescription


def check_clearance(label: Label, level: Confidentiality, categories: frozenset[str], what: str) -> None:
    """Raises Denied if `label` is above what the receiver named by `what` may see."""
    if label.confidentiality > level:
        raise Denied("CLEARANCE_EXCEEDED", f"{label.confidentiality.label} data is above the clearance of {what}")
    missing = label.categories - categories
    if missing:
        raise Denied("CATEGORY_NOT_CLEARED", f"{what} may not see data of {', '.join(sorted(missing))}")


def described_label(tool: ToolDescription) -> Label:
    """What a tool's own schema of its results marks, at most: it raises what the contract says, and never lowers it.

    All of the schema counts, before the call: what the role may not see is not asked for.
    """
    try:
        return schema_label(tool.definition.get("outputSchema"))
    except ValueError as error:
        raise Denied("TOOL_CLASSIFICATION_INVALID", f"the tool's schema of its results is unusable: {error}") from error


class Hiding:
    """Takes out of an answer what its receiver may not see, and remembers the categories that it may see and did.

    Secrets go whoever asks. `token` makes pseudonyms in place of marks.
    """

    def __init__(self, cleared: frozenset[str], token: Token | None = None) -> None:
        self.seen: set[str] = set()
        self._cleared = cleared - {SECRET}
        self._token = token

    def text(self, text: str) -> str:
        """The text without it; nothing of it if it cannot be scanned."""
        try:
            found = dlp.scan(text)
        except dlp.ScanRefused as error:
            return f"[withheld: {error}]"
        parts, at = [], 0
        for finding in found:
            if finding.category in self._cleared:
                self.seen.add(finding.category)
            else:
                parts += [text[at : finding.start], self._instead(finding, text[finding.start : finding.end])]
                at = finding.end
        return "".join(parts) + text[at:]

    def value(self, value: Any) -> Any:
        """The JSON value without it in its strings, keys included. Depth is bounded by the parsers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _instead(self, finding: dlp.Finding, text: str) -> str:
        if self._token is None or finding.category == SECRET:
            return f"[redacted:{finding.detector}]"
        return self._token(finding.detector, text)


def refuse_secrets(value: Mapping[str, Any]) -> None:
    """Raises Denied if a value that is handed on holds a secret."""
    try:
        names = sorted({sighting.detector for sighting in dlp.secrets_in(value)})
    except dlp.ScanRefused as error:
        raise Denied("ARGUMENTS_UNSCANNABLE", f"the arguments cannot be looked through: {error}") from error
    if names:
        raise Denied("SECRET_IN_ARGUMENTS", f"the arguments hold a secret ({', '.join(names)})")
