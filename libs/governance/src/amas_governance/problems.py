"""A problem in a resource: where it is and what was expected, never a stack trace (invariant I11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FieldPath = tuple[str | int, ...]
"""Way to a value in a document: names of fields and positions in lists."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong. Line and column start at 1; 0 means that the place in the file is not known."""

    file: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        """`file:line:column: field: message`, as editors and terminals know to follow."""
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return f"{place}{self.field}: {self.message}" if self.field else f"{place}{self.message}"


def field_path(path: Sequence[str | int]) -> str:
    """`("spec", "tools", 0, "name")` as `spec.tools[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif text:
            text += f".{part}"
        else:
            text = part
    return text
