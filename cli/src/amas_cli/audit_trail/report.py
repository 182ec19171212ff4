"""What a verification found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_FINDINGS = 100
"""More would tell nobody more; that there were more is told."""


class Verdict(StrEnum):
    """What the whole comes to."""

    VERIFIED = "verified"
    INCOMPLETE = "incomplete"
    """All that is there is genuine, but the run's beginning or end is not there: it still ran, or the end was cut."""
    FAILED = "failed"
    """Something was changed, forged, dropped or added, or this is not the export that it claims to be."""


class Check(StrEnum):
    """What was looked at, in order."""

    FORMAT = "format"
    SIGNATURE = "signature"
    ORIGIN = "origin"
    INCLUSION = "inclusion"
    LEAF = "leaf"
    SCOPE = "scope"
    SEQUENCE = "sequence"
    CONTENT = "content"
    COUNT = "count"
    COMPLETENESS = "completeness"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `line` counts from 1; None if it concerns the whole."""

    check: Check
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True)
class Report:
    """The outcome. What stands in it beside the verdict is only as good as the verdict."""

    verdict: Verdict
    origin: str = ""
    tenant: str = ""
    run: str = ""
    tree_size: int = 0
    root: str = ""
    """Hexadecimal root of the signed tree."""
    entries: int = 0
    contents: int = 0
    """Contents that the entries commit to; those that are given fit their commitments."""
    erased: int = 0
    """How many of them are said to have been erased."""
    findings: tuple[Finding, ...] = field(default=())
    more_findings: int = 0
    """Findings beyond MAX_FINDINGS."""

    def failed_checks(self) -> frozenset[Check]:
        """The checks that found something."""
        return frozenset(finding.check for finding in self.findings)

    def summary(self) -> str:
        """One sentence."""
        subject = f"run {_shown(self.run)} of tenant {_shown(self.tenant)}" if self.run else "the export"
        if self.verdict is Verdict.VERIFIED:
            erased = f", {self.erased} of {self.contents} contents erased" if self.erased else ""
            return (
                f"{subject}: audit verified, {self.entries} entries in the tree of {self.tree_size} of "
                f"{self.origin}{erased}"
            )
        first = str(self.findings[0]) if self.findings else "nothing was found to verify"
        if self.verdict is Verdict.INCOMPLETE:
            return f"{subject}: genuine but incomplete: {first}"
        return f"{subject}: audit NOT verified: {first}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {
            "verdict": self.verdict.value,
            "origin": self.origin,
            "tenant": self.tenant,
            "run": self.run,
            "treeSize": self.tree_size,
            "root": self.root,
            "entries": self.entries,
            "contents": self.contents,
            "erased": self.erased,
            "findings": [
                {"check": finding.check.value, "line": finding.line, "message": finding.message}
                for finding in self.findings
            ],
            "moreFindings": self.more_findings,
        }


def _shown(text: str) -> str:
    """What an unverified file says must not steer the reader's terminal."""
    return text if text.isprintable() else repr(text)
