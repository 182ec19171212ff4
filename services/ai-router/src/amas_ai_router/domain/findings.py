"""Replaces what detectors find in a text, with the key that the text stands under in sight."""

from __future__ import annotations

from collections.abc import Callable

from amas_governance.dlp import Finding, scan


def replace_findings(key: str, text: str, categories: frozenset[str], make: Callable[[Finding, str], str]) -> str:
    """The text with `make(finding, its text)` in place of each finding. Raises ScanRefused.

    Some secrets are known by their names alone (`aws_secret_access_key`), which in JSON is the key.
    """
    lead = len(key) + 1 if key else 0
    parts: list[str] = []
    at = 0
    for finding in scan(f"{key}={text}" if key else text, categories):
        start, end = max(finding.start - lead, 0), finding.end - lead
        # A finding that ends in the key is the key's own text.
        if end > start:
            parts += [text[at:start], make(finding, text[start:end])]
            at = end
    return "".join(parts) + text[at:] if parts else text
