"""Reads the lines of an export (docs/audit-export.md): a header, entries, a footer.

Strict on purpose: a line counts only in the one form in which it is written, so that no byte can be changed without
being seen. Reads line by line, so that a large export needs little memory.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from .contents import GivenContent, given_contents
from .errors import ExportRefusedError
from .merkle import HASH_SIZE
from .note import strict_base64

FORMAT = "amas-audit-export"
VERSION = 2
MAX_LINE_BYTES = 32 * 1024 * 1024
"""An entry has at most about 1 MiB, which escaping can make six times as long, and 8 MiB of contents in base64."""


@dataclass(frozen=True)
class Header:
    """What the export says about itself; nothing of it is to be believed before it is checked."""

    line: int
    origin: str
    tenant: str
    run: str
    checkpoint: str
    verifier_key: str


@dataclass(frozen=True)
class Entry:
    """One entry and its proof."""

    line: int
    index: int
    leaf: str
    proof: tuple[bytes, ...]
    contents: tuple[GivenContent, ...] = ()


@dataclass(frozen=True)
class Footer:
    """What the writer counted."""

    line: int
    entries: int
    tree_size: int


_MEMBERS: dict[str, dict[str, type]] = {
    "header": {
        "kind": str,
        "format": str,
        "version": int,
        "origin": str,
        "tenant": str,
        "run": str,
        "checkpoint": str,
        "verifierKey": str,
    },
    "entry": {"kind": str, "index": int, "leaf": str, "proof": list, "contents": list},
    "footer": {"kind": str, "entries": int, "treeSize": int},
}


def read_lines(file: IO[bytes], size: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line of the next `size` bytes. ExportRefusedError for one that is cut or too long."""
    number, left = 0, sys.maxsize if size is None else size
    while left > 0 and (raw := file.readline(min(left, MAX_LINE_BYTES))):
        number += 1
        left -= len(raw)
        if not raw.endswith(b"\n"):
            problem = "is too long" if len(raw) == MAX_LINE_BYTES else "is cut: the file ends in the middle of it"
            raise ExportRefusedError(number, f"the line {problem}")
        yield number, raw[:-1]


def parse_line(number: int, raw: bytes) -> Header | Entry | Footer:
    """The record on a line. ExportRefusedError, with what is wrong."""
    members = _members(number, raw)
    if members["kind"] == "header":
        if members["format"] != FORMAT or members["version"] != VERSION:
            raise ExportRefusedError(number, f"the file is not of format {FORMAT}, version {VERSION}")
        return Header(
            number,
            members["origin"],
            members["tenant"],
            members["run"],
            members["checkpoint"],
            members["verifierKey"],
        )
    if members["kind"] == "entry":
        return Entry(
            number,
            members["index"],
            members["leaf"],
            _proof(number, members["proof"]),
            given_contents(number, members["contents"]),
        )
    return Footer(number, members["entries"], members["treeSize"])


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object_pairs_hook for `json` that refuses a name given twice, which two readers may read differently."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice")
    return members


def _members(number: int, raw: bytes) -> dict[str, Any]:
    try:
        members: dict[str, Any] = json.loads(raw, object_pairs_hook=unique_members)
    except (ValueError, RecursionError) as error:
        raise ExportRefusedError(number, "the line is not JSON") from error
    kind = members.get("kind") if isinstance(members, dict) else None
    shape = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise ExportRefusedError(number, "the line is neither a header nor an entry nor a footer")
    if list(members) != list(shape):
        raise ExportRefusedError(number, f"the {kind} has not the members {', '.join(shape)}, in this order")
    for name, expected in shape.items():
        if type(members[name]) is not expected:
            raise ExportRefusedError(number, f"{name} of the {kind} is of another type than the format says")
    try:
        written = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise ExportRefusedError(number, "the line holds half of a surrogate pair") from error
    if written != raw:
        raise ExportRefusedError(number, f"the {kind} is not written as the format says: it was changed")
    return members


def _proof(number: int, hashes: list[Any]) -> tuple[bytes, ...]:
    try:
        proof = tuple(strict_base64(text) for text in hashes)
    except (ValueError, TypeError) as error:
        raise ExportRefusedError(number, "the proof is not a list of hashes in base64") from error
    if any(len(hashed) != HASH_SIZE for hashed in proof):
        raise ExportRefusedError(number, f"a hash of the proof has not {HASH_SIZE} bytes")
    return proof
