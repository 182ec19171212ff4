"""Copies a log to a folder, laid out as it is served, for whoever keeps their own copy of what they were shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from amas_cli.audit_trail.keyring import KeyRing
from amas_cli.audit_trail.saving import new_export

from .layout import CHECKPOINT, WIDTH, bundle_path, rows, tile_path, widths
from .sources import LogSource, SourceError, read_ahead


def mirror_log(source: LogSource, folder: Path, keys: KeyRing, progress: Callable[[int, int], None]) -> int:
    """Copy what the newest checkpoint covers; answers the size of its tree.

    Full parts that are there are left as they are, since they never change; the checkpoint comes last, so that a copy
    that broke off has the old one. NoteRefusedError if the log is not signed by the keys; SourceError; OSError.
    """
    raw = source.read(CHECKPOINT)
    if raw is None:
        raise SourceError("the log has no checkpoint")
    size = keys.open(raw.decode("utf-8", "replace")).checkpoint.size
    wanted = [(path, width) for path, width in _parts(size) if width < WIDTH or not (folder / path).is_file()]
    read = read_ahead(source, (path for path, _ in wanted))
    for number, (found, (path, width)) in enumerate(zip(read, wanted, strict=True), start=1):
        if found is None and width < WIDTH:
            # It has filled up in the meantime, and only the full part is kept.
            whole = path.partition(".p/")[0]
            _write(folder / whole, _there(source.read(whole), whole))
        else:
            _write(folder / path, _there(found, path))
        progress(number, len(wanted))
    _write(folder / CHECKPOINT, raw)
    return size


def _there(found: bytes | None, path: str) -> bytes:
    if found is None:
        raise SourceError(f"the log has no {path}, which its checkpoint covers")
    return found


def _parts(size: int) -> Iterator[tuple[str, int]]:
    for position, width in widths(size):
        yield bundle_path(position, width), width
    for level, count in rows(size):
        for position, width in widths(count):
            yield tile_path(level, position, width), width


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_export(target) as file:
        file.write(content)
