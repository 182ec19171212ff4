"""What a file that is no export is refused with."""

from __future__ import annotations


class ExportRefusedError(ValueError):
    """A line of the export is not what it should be; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
