"""One supervisor for each state folder, held by a file lock that the kernel drops with the process."""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

LOCK_FILE_MODE = 0o600


@dataclass(frozen=True)
class Holder:
    """Who holds the lock."""

    pid: int


class SupervisorLock:
    """An exclusive flock. Not inherited by children: the file is opened close-on-exec."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> Holder | None:
        """Take the lock and answer None, or answer who has it. Does not wait."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return _read(self._path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid()}).encode(), 0)
        self._descriptor = descriptor
        return None

    def release(self) -> None:
        """Give it up; safe to call twice. The file stays: deleting it would let two hold "the" lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: Path) -> Holder | None:
    """Who holds the lock now; None if nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def _read(path: Path) -> Holder:
    """The pid in the file; 0 in the instant between locking and writing."""
    try:
        return Holder(int(json.loads(path.read_text())["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(0)
