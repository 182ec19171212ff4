"""The tables of docs/model-faults.md, which the tests compare with what they see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "model-faults.md"
OF_A_PROVIDER, AROUND_A_CALL = "Faults of a provider", "Faults around a call"
FIRST_COLUMNS = ("Fault", "Call", "The client sees", "Billed", "Recorded")
WHOLE, STREAM = "whole", "stream"
CALLS = {"both": (WHOLE, STREAM), WHOLE: (WHOLE,), STREAM: (STREAM,)}


@dataclass(frozen=True, slots=True)
class Row:
    """What a fault of one kind of call leads to. `instead` says why another target is asked; empty: none is."""

    fault: str
    call: str
    sees: str
    billed: str
    recorded: str
    instead: str

    @property
    def stream(self) -> bool:
        """Whether the call is a stream."""
        return self.call == STREAM

    def __str__(self) -> str:
        return f"{self.fault}, {self.call}"


def rows(section: str) -> list[Row]:
    """The rows of a section's table, one for each kind of call. Raises ValueError for a page of another form."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    if len(lines) < 3:
        raise ValueError(f"no table under {section}")
    head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    if tuple(head[:5]) != FIRST_COLUMNS:
        raise ValueError(f"the table under {section} has other columns")
    return [
        Row(fault, call, sees, billed, recorded, *(more or [""]))
        for fault, calls, sees, billed, recorded, *more in body
        for call in CALLS[calls]
    ]
