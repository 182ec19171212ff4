"""What the check of a whole log found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_FINDINGS = 100


class Part(StrEnum):
    """What was looked at."""

    CHECKPOINT = "checkpoint"
    COSIGNATURES = "cosignatures"
    CONSISTENCY = "consistency"
    ENTRIES = "entries"
    TILES = "tiles"
    ROOT = "root"
    SEQUENCE = "sequence"


@dataclass(frozen=True)
class LogFinding:
    """One thing that is wrong; `path` is the part of the log that it is in, or empty."""

    part: Part
    message: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass
class LogReport:
    """The outcome. What stands in it is only as good as `verified`."""

    origin: str = ""
    size: int = 0
    root: str = ""
    """Hexadecimal root of the signed tree."""
    checkpoint: str = ""
    """The signed note."""
    signed_by: tuple[str, ...] = ()
    """Ids of the log's keys that signed it."""
    witnesses: tuple[str, ...] = ()
    """Names of the witnesses that cosigned it."""
    entries: int | None = None
    """Entries that were read; None if only the tree was."""
    runs: int = 0
    consistent_with: int | None = None
    """Size of the checkpoint seen before that this one continues; None if there was none."""
    seconds: float = 0.0
    findings: list[LogFinding] = field(default_factory=list)
    more_findings: int = 0

    @property
    def verified(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def find(self, part: Part, message: str, path: str = "") -> None:
        """Note something that is wrong."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(LogFinding(part, message, path))
        else:
            self.more_findings += 1

    def failed_parts(self) -> frozenset[Part]:
        """The parts that something was found in."""
        return frozenset(finding.part for finding in self.findings)

    def summary(self) -> str:
        """One sentence."""
        if not self.verified:
            return f"the log is NOT verified: {self.findings[0]}"
        looked = "its hashes alone were read" if self.entries is None else f"{self.entries} entries, {self.runs} runs"
        seen = "" if self.consistent_with is None else f"; it continues the tree of {self.consistent_with} seen before"
        cosigned = f"; cosigned by {', '.join(self.witnesses)}" if self.witnesses else ""
        return f"log {self.origin} verified: a tree of {self.size}, {looked}{seen}{cosigned}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return {
            "verdict": "verified" if self.verified else "failed",
            "origin": self.origin,
            "treeSize": self.size,
            "root": self.root,
            "signedBy": list(self.signed_by),
            "witnesses": list(self.witnesses),
            "entries": self.entries,
            "runs": self.runs,
            "consistentWith": self.consistent_with,
            "seconds": round(self.seconds, 3),
            "findings": [
                {"check": finding.part.value, "path": finding.path, "message": finding.message}
                for finding in self.findings
            ],
            "moreFindings": self.more_findings,
        }
