"""What can be done with files: list, read, write, delete, stat. All of it inside the jail and within the limits.

A file is replaced as a whole or not at all: readers see the old content or the new, also if the power fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .jail import Jail, PathRefused, split_path
from .limits import Limits, measure

MAX_ENTRIES = 1_000
"""Entries of one listing."""

_TEMPORARY = ".amas-write-"
_NEW_FILE_MODE = 0o644
_PERMISSIONS = 0o777


class Refused(ValueError):  # noqa: N818 - says what happened
    """A request that cannot be met; the message is meant for the model that asked."""


@dataclass(frozen=True)
class Entry:
    """A file or folder: path from the workspace, `file` or `folder`, bytes, time of the last change (UTC)."""

    path: str
    type: str
    bytes: int
    modified: str


@dataclass(frozen=True)
class Written:
    """What a write did. `changed` is false if the file held the very same content before."""

    path: str
    bytes: int
    changed: bool
    created: bool
    sha256: str


@dataclass(frozen=True)
class _Before:
    bytes: int
    mode: int
    same: bool


class Workspace:
    """The files below one folder. Writes take turns, so that two of them cannot both use the last of a quota."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._jail = Jail(root)
        self._limits = limits
        self._writing = threading.Lock()

    def close(self) -> None:
        """Closes the folder."""
        self._jail.close()

    def list(self, path: str) -> list[Entry]:
        """Files and folders directly in a folder, by name. Links and Git's insides are left out."""
        parts = split_path(path)
        with self._jail.folder(parts) as folder:
            names = sorted(name for name in os.listdir(folder) if _is_shown(name))
            if len(names) > MAX_ENTRIES:
                raise Refused(f"the folder has {len(names)} entries; at most {MAX_ENTRIES} can be listed")
            found = [_entry(parts, name, folder) for name in names]
        return [entry for entry in found if entry is not None]

    def stat(self, path: str) -> Entry:
        """Type, size and time of one file or folder."""
        parts = split_path(path)
        if not parts:
            raise PathRefused("expected a file or folder inside the workspace")
        with self._jail.folder(parts[:-1]) as folder:
            entry = _entry(parts[:-1], parts[-1], folder)
        if entry is None:
            raise PathRefused("there is no such file or folder")
        return entry

    def read(self, path: str) -> str:
        """The text of a file (UTF-8)."""
        with self._jail.file(split_path(path)) as descriptor:
            content = self._content(descriptor)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("not a text file (UTF-8)") from error

    def write(self, path: str, content: str) -> Written:
        """Puts a text into a file as a whole, making folders on the way."""
        parts = split_path(path)
        if not parts:
            raise PathRefused("expected a file, not the workspace itself")
        try:
            data = content.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Refused("the content is not valid Unicode") from error
        if len(data) > self._limits.max_file_bytes:
            raise Refused(f"a file has at most {self._limits.max_file_bytes} bytes, this one has {len(data)}")
        digest = hashlib.sha256(data).hexdigest()
        with self._writing:
            before = self._before(parts, data)
            if before is not None and before.same:
                return Written("/".join(parts), len(data), changed=False, created=False, sha256=digest)
            self._refuse_over_quota(len(data), None if before is None else before.bytes)
            with self._jail.folder(parts[:-1], create=True) as folder:
                _replace(folder, parts[-1], data, _NEW_FILE_MODE if before is None else before.mode)
        return Written("/".join(parts), len(data), changed=True, created=before is None, sha256=digest)

    def delete(self, path: str) -> None:
        """Removes one file; folders stay."""
        parts = split_path(path)
        with self._writing, self._jail.file(parts), self._jail.folder(parts[:-1]) as folder:
            try:
                os.unlink(parts[-1], dir_fd=folder)
            except OSError as error:
                raise Refused("the file could not be removed") from error

    def _content(self, descriptor: int) -> bytes:
        """Reads one byte more than allowed, because a file may grow while it is read."""
        limit = self._limits.max_file_bytes
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise Refused(f"the file is larger than {limit} bytes")
        return content

    def _before(self, parts: tuple[str, ...], data: bytes) -> _Before | None:
        """What would be replaced by `data`; None if there is nothing."""
        try:
            with self._jail.file(parts) as descriptor:
                status = os.fstat(descriptor)
                # Read only if it could be the same, so that a file of any size can be replaced.
                same = status.st_size == len(data) and self._content(descriptor) == data
                return _Before(status.st_size, status.st_mode & _PERMISSIONS, same)
        except PathRefused as refused:
            if isinstance(refused.__cause__, FileNotFoundError):
                return None
            raise

    def _refuse_over_quota(self, size: int, replaced: int | None) -> None:
        with self._jail.folder(()) as root:
            usage = measure(root, self._limits)
        growth = size - (replaced or 0)
        if growth > 0 and usage.bytes + growth > self._limits.max_bytes:
            raise Refused(f"the workspace would hold more than {self._limits.max_bytes} bytes")
        if replaced is None and usage.files >= self._limits.max_files:
            raise Refused(f"the workspace would hold more than {self._limits.max_files} files")


def _is_shown(name: str) -> bool:
    return name.casefold() != ".git" and not name.startswith(_TEMPORARY)


def _entry(parents: tuple[str, ...], name: str, folder: int) -> Entry | None:
    """None for links, pipes and the like, and for what is gone."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
    path = "/".join((*parents, name))
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, "folder", 0, modified)
    return Entry(path, "file", status.st_size, modified) if stat.S_ISREG(status.st_mode) else None


def _replace(folder: int, name: str, data: bytes, mode: int) -> None:
    """Writes beside the file and renames over it; the name of a link is replaced, never what it points to."""
    temporary = f"{_TEMPORARY}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, mode, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise Refused("the file could not be written: the disk is full or does not permit it") from error
