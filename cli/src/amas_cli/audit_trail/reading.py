"""Reads the events of an export to show them. Nothing is verified here: `verify` first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .document import Entry, ExportRefusedError, parse_line, read_lines
from .leaves import LeafRefusedError, parse_leaf


@dataclass(frozen=True)
class ShownEntry:
    """An entry's place in the tree, and its event's members."""

    index: int
    members: dict[str, Any]


def read_entries(export: Path) -> Iterator[ShownEntry]:
    """The entries in the order of the file. ExportRefusedError for a file that is no export; OSError."""
    with export.open("rb") as file:
        for number, raw in read_lines(file):
            record = parse_line(number, raw)
            if not isinstance(record, Entry):
                continue
            try:
                yield ShownEntry(record.index, parse_leaf(record.leaf))
            except LeafRefusedError as error:
                raise ExportRefusedError(number, str(error)) from error
