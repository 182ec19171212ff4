"""Opens paths inside one folder and nowhere else, also while somebody moves things about.

Each part of a path is opened by itself, relative to the folder before it and without following links. So no `..`, no
absolute path and no symbolic link leads out, and there is no moment between a check and a use.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_PATH = 1_024
MAX_PARTS = 32
"""Levels below the root."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for its other end.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FOLDER_MODE = 0o755


class PathRefused(ValueError):  # noqa: N818 - says what happened
    """The path may not be used; the message is meant for the model that asked."""


def split_path(path: str) -> tuple[str, ...]:
    """The parts of a relative path; `.` is the root itself. Raises PathRefused."""
    if not path or len(path) > MAX_PATH or "\x00" in path or not path.isprintable():
        raise PathRefused(f"expected a relative path of 1 to {MAX_PATH} printable characters")
    if path.startswith("/") or "\\" in path:
        raise PathRefused("expected a path relative to the workspace, with / between its parts")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise PathRefused("a path may not contain ..")
    if len(parts) > MAX_PARTS:
        raise PathRefused(f"expected at most {MAX_PARTS} levels")
    # Case too, since a work tree may lie on a file system that does not tell .GIT from .git.
    if any(part.casefold() == ".git" for part in parts):
        raise PathRefused("the insides of a Git repository (.git) are not part of the workspace")
    return parts


class Jail:
    """A folder that stays open, so that it remains the same one even if it is renamed."""

    def __init__(self, root: Path) -> None:
        """Opens the root; raises OSError if it is no folder."""
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Gives the root back."""
        os.close(self._root)

    @contextmanager
    def folder(self, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        """A descriptor of the folder at `parts`; with `create`, missing folders are made."""
        descriptor = os.dup(self._root)
        try:
            for part in parts:
                inner = _open_folder(part, descriptor, create=create)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def file(self, parts: tuple[str, ...]) -> Iterator[int]:
        """A descriptor for reading the regular file at `parts`."""
        if not parts:
            raise PathRefused("expected a file, not the workspace itself")
        with self.folder(parts[:-1]) as folder:
            try:
                descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
            except OSError as error:
                raise _refusal(error) from error
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise PathRefused("not a regular file")
                yield descriptor
            finally:
                os.close(descriptor)


def _open_folder(name: str, parent: int, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError as error:
        if not create:
            raise _refusal(error) from error
    except OSError as error:
        raise _refusal(error) from error
    try:
        os.mkdir(name, _NEW_FOLDER_MODE, dir_fd=parent)
    except FileExistsError:
        pass  # somebody else made it just now; opening decides whether it is a folder
    except OSError as error:
        raise _refusal(error) from error
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        raise _refusal(error) from error


def _refusal(error: OSError) -> PathRefused:
    """Words for what the kernel said; never the path of the workspace on this machine."""
    reasons = {
        errno.ENOENT: "there is no such file or folder",
        errno.ENOTDIR: "a part of the path is not a folder (or is a symbolic link, which is not followed)",
        errno.ELOOP: "symbolic links are not followed",
        errno.EACCES: "no permission",
        errno.EISDIR: "this is a folder",
        errno.ENAMETOOLONG: "a part of the path is too long",
        errno.ENXIO: "not a regular file",
        errno.ENOSPC: "the disk is full",
        errno.EROFS: "the file system is read-only",
    }
    return PathRefused(reasons.get(error.errno or 0, "the file system refused"))
