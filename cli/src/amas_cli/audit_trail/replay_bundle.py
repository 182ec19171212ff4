"""Writes and reads replay bundles: a run's export and the bundles of resources and policies that it names.

The form (docs/audit-export.md) is the one that the outsiders' verifier knows, and is defined there alone.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amas_governance.canonical import canonical_json

from amas_cli.verifier import amas_verify as form

from .document import Header, parse_line, read_lines
from .errors import ExportRefusedError
from .saving import new_export

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class ReplayBundle:
    """A file whose form is right; nothing of what it says is verified."""

    path: Path
    export: tuple[int, int]
    """Offset and size of the export in the file."""
    bundles: Mapping[str, tuple[int, int]]
    """The same of each bundle, by its digest as it is named."""

    def bundle(self, digest: str) -> bytes | None:
        """Content of a bundle; None if the file has it not, ExportRefusedError if it is not what its name says."""
        place = self.bundles.get(digest)
        if place is None:
            return None
        with self.path.open("rb") as file:
            file.seek(place[0])
            content = file.read(place[1])
        if form.named_digest(content) != digest:
            raise ExportRefusedError(0, f"the bundle {digest} in the file has another digest: it was changed")
        return content


def is_replay_bundle(path: Path) -> bool:
    """Whether a file is one, and not an export alone."""
    with path.open("rb") as file:
        return file.read(len(form.MANIFEST_NAME)) == form.MANIFEST_NAME.encode()


def write_replay_bundle(export: Path, bundles: Mapping[str, bytes], target: Path) -> int:
    """The file of an export and of bundles by their digests; answers its size. Equal input gives equal bytes."""
    header = _header(export)
    members = [(form.EXPORT_NAME, export.stat().st_size, _sha256(export))]
    named = {f"bundles/{digest.replace(':', '-')}.json": content for digest, content in bundles.items()}
    members += [(name, len(named[name]), hashlib.sha256(named[name]).hexdigest()) for name in sorted(named)]
    manifest = canonical_json(
        {
            "format": form.CONTAINER,
            "version": 1,
            "origin": header.origin,
            "run": header.run,
            "tenant": header.tenant,
            "members": [{"name": name, "sha256": digest, "size": size} for name, size, digest in members],
        }
    )
    with new_export(target) as file:
        written = file.write(_padded(form.MANIFEST_NAME, manifest + b"\n"))
        written += file.write(form.tar_header(form.EXPORT_NAME, members[0][1]))
        with export.open("rb") as source:
            shutil.copyfileobj(source, file, COPY_BYTES)
        written += members[0][1] + file.write(_padding(members[0][1]))
        for name in sorted(named):
            written += file.write(_padded(name, named[name]))
        return written + file.write(bytes(2 * form.BLOCK))


def read_replay_bundle(path: Path) -> ReplayBundle:
    """The parts of a file. ExportRefusedError if it is not, byte for byte, in the form of the format."""
    try:
        with path.open("rb") as file:
            members = form.tar_members(file)
            form.manifest_of(file, members)
    except form.Refused as refused:
        raise ExportRefusedError(0, str(refused)) from refused
    bundles = {
        name.removeprefix("bundles/").removesuffix(".json").replace("-", ":", 1): (offset, size)
        for name, offset, size in members[2:]
    }
    return ReplayBundle(path, members[1][1:], bundles)


def _header(export: Path) -> Header:
    with export.open("rb") as file:
        for number, raw in read_lines(file):
            record = parse_line(number, raw)
            if isinstance(record, Header):
                return record
            break
    raise ExportRefusedError(1, "the export has no header")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _padded(name: str, content: bytes) -> bytes:
    return form.tar_header(name, len(content)) + content + _padding(len(content))


def _padding(size: int) -> bytes:
    return bytes(-size % form.BLOCK)
