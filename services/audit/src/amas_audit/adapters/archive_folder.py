"""An archive in a folder, laid out as object storage has it: names are paths, and a file is there whole or not at all.

A file that is there is never written over with other content, but the checkpoint, which is replaced. Only the owner
can read the folder: it holds what all tenants did.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from amas_audit.domain.archive import CHECKPOINT
from amas_audit.domain.errors import ArchiveDamagedError, NotReadyError

# A file of its own, since NFS locks only what is open for writing.
LOCK = ".lock"


class ArchiveFolder:
    """Reads and writes its files. OSError goes through: a disk that is full or away."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Folders whose entries are not known to be on disk.
        self._unsynced: set[Path] = set()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes meanwhile, and the folder is there. NotReadyError if one does, or it cannot be used."""
        try:
            self._make_folder(self._root)
            descriptor = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NotReadyError(
                f"the archive's folder {self._root} cannot be used: {error.strerror}: it must be on a volume that can "
                "be written to, and belong to the user that archives"
            ) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotReadyError(f"another process archives to {self._root}: let it end, and run this again") from error
        except OSError as error:
            raise NotReadyError(
                f"the archive's folder {self._root} cannot be locked: {error.strerror}: "
                "put it on a file system that has locks"
            ) from error

    def read(self, path: str) -> bytes:
        """The content of a file. ArchiveDamagedError if it is not there."""
        try:
            return (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArchiveDamagedError(f"{path} is missing from the archive") from error

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        return (self._root / path).is_file()

    def write(self, path: str, content: bytes) -> None:
        """Write a file, and its bytes to disk. ArchiveDamagedError if another content is there."""
        target = self._root / path
        if path != CHECKPOINT and target.exists():
            if target.read_bytes() != content:
                raise ArchiveDamagedError(f"{path} is in the archive with other content")
            # It may have been written by a process that was killed before it saw to the folder.
            self._unsynced.add(target.parent)
            return
        self._make_folder(target.parent)
        # Always the same name, so that what a killed process left is written over.
        draft = target.with_name(f".{target.name}.tmp")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        self._unsynced.add(target.parent)

    def sync(self) -> None:
        """See to it that the names of all files that were written are on disk too."""
        for folder in sorted(self._unsynced):
            _sync_folder(folder)
        self._unsynced.clear()

    def secure(self, paths: Iterable[str]) -> None:
        """Return once these files, and their names, are on disk. ArchiveDamagedError if one is not there."""
        folders = {self._root}
        for path in paths:
            file = self._root / path
            try:
                _sync(file, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise ArchiveDamagedError(f"{path} is missing from the archive") from error
            folders.update(folder for folder in file.parents if self._root in folder.parents)
        for folder in sorted(folders):
            _sync(folder, os.O_RDONLY | os.O_DIRECTORY)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != folder.parent:
            self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
