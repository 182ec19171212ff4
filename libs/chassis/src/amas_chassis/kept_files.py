"""Results that are dear to make and the same each time, such as compiled patterns, kept in files for the next process.

What is read may be machine code as good as ours, so only a file counts that is ours: it and its folder belong to this
user, and nobody else may write to them. Its digest tells a whole file from half of one. Whatever is wrong with a file,
it is as if there were none: this must never keep a process from starting, nor make it trust what others wrote.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["MAX_BYTES", "KeptFiles"]

# Longest content that is kept; compiled patterns have a few MB.
MAX_BYTES = 64 * 1024 * 1024
_DIGEST_BYTES = hashlib.sha256().digest_size
_NAME = re.compile(r"[a-z0-9-]{1,128}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_log = logging.getLogger(__name__)


class KeptFiles:
    """The files of one folder, which is made when something is first kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        """What was kept under a name, or None: nothing, or nothing that can be trusted."""
        _check(name)
        try:
            with self._opened() as folder:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                with os.fdopen(descriptor, "rb") as file:
                    _refuse_others(os.fstat(descriptor), stat.S_ISREG)
                    content = file.read(MAX_BYTES + _DIGEST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("a kept file is not used", extra={"file": name, "why": error.strerror or str(error)})
            return None
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return content if hashlib.sha256(content).digest() == digest else None

    def put(self, name: str, content: bytes) -> None:
        """Keep it, in one move: a reader sees all of it or nothing. A folder that cannot be written keeps nothing."""
        _check(name)
        temporary = f".{name}.{os.getpid()}"
        if len(content) > MAX_BYTES:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._opened() as folder, _removed_unless_moved(temporary, folder):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as file:
                    file.write(hashlib.sha256(content).digest() + content)
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            _log.warning("nothing is kept", extra={"file": name, "why": error.strerror or str(error)})

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self._folder, _FOLDER)
        try:
            _refuse_others(os.fstat(descriptor), stat.S_ISDIR)
            yield descriptor
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _removed_unless_moved(name: str, folder: int) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _refuse_others(found: os.stat_result, kind: Callable[[int], bool]) -> None:
    if not kind(found.st_mode):
        raise OSError("it is of another kind")
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError("others may write it")


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} names no kept file")
