"""Reads the events of an export to show them. Nothing is verified here: `verify` first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amas_governance.audit_events import joined

from .contents import GivenContent
from .document import Entry, Footer, Header, parse_line, read_lines
from .errors import ExportRefusedError
from .leaves import LeafRefusedError, parse_leaf


@dataclass(frozen=True)
class ShownEntry:
    """An entry's place in the tree, its event's members, its contents by name, and the text that the tree holds."""

    index: int
    members: dict[str, Any]
    contents: dict[str, GivenContent]
    leaf: str


def read_entries(export: Path) -> Iterator[ShownEntry]:
    """The entries in the order of the file. ExportRefusedError for a file that is no export; OSError."""
    with export.open("rb") as file:
        for number, raw in read_lines(file):
            record = parse_line(number, raw)
            if isinstance(record, Entry):
                yield _shown(number, record)


def read_whole(export: Path, offset: int = 0, size: int | None = None) -> list[ShownEntry]:
    """As `read_entries`, of an export that nothing is cut from: it has a header and ends with a footer that agrees.

    `offset` and `size` name it where it is a part of a file.
    """
    found: list[ShownEntry] = []
    number, ended = 0, False
    with export.open("rb") as file:
        file.seek(offset)
        for number, raw in read_lines(file, size):
            record = parse_line(number, raw)
            if isinstance(record, Header) != (number == 1) or ended:
                raise ExportRefusedError(number, "the line stands where an export has none of its kind")
            if isinstance(record, Entry):
                found.append(_shown(number, record))
            elif isinstance(record, Footer):
                ended = True
                if record.entries != len(found):
                    raise ExportRefusedError(number, f"{record.entries} entries were written, {len(found)} are there")
    if not ended:
        raise ExportRefusedError(number, "the export has no end: it was cut")
    return found


def _shown(number: int, record: Entry) -> ShownEntry:
    """The entry, its data whole again: what its type keeps apart is put in its place, as far as it is not erased."""
    try:
        members = parse_leaf(record.leaf)
    except LeafRefusedError as error:
        raise ExportRefusedError(number, str(error)) from error
    contents = {given.name: given.data for given in record.contents if given.data is not None}
    data = members.get("data")
    if contents and isinstance(data, dict):
        try:
            members["data"] = joined(members["type"], data, contents)
        except ValueError as error:
            raise ExportRefusedError(number, "a content is not what the event's type says that it is") from error
    return ShownEntry(record.index, members, {given.name: given for given in record.contents}, record.leaf)
