"""What the witness saw last of each log, on disk before anything is cosigned.

One process at a time. A checkpoint is replaced whole or not at all, and is on disk when `keep` has returned; a file
that cannot be read stops the witness, since to begin anew would be to forget the fork that it is there to refuse.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from .notes import Checkpoint, NoteError


class StateError(Exception):
    """The state cannot be used; the text says why."""


class State:
    """A folder with a file for each log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(f"another witness uses {folder}") from error
        except OSError as error:
            raise StateError(f"{folder} cannot be used: {error.strerror}") from error

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def last(self, origin: str) -> Checkpoint | None:
        """The checkpoint that was cosigned last, None if there was none. StateError if it cannot be told."""
        try:
            found = Checkpoint.parse(self._file(origin).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, NoteError) as error:
            raise StateError(f"what was seen of {origin!r} cannot be read: {error}") from error
        if found.origin != origin:
            raise StateError(f"what was seen of {origin!r} is of another log")
        return found

    def keep(self, origin: str, note: str) -> None:
        """Put a checkpoint in the place of the last, on disk. StateError if that fails; then the last one stands."""
        target = self._file(origin)
        written = target.with_suffix(".new")
        try:
            with written.open("w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            written.replace(target)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                # The rename itself must be on disk.
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StateError(f"what was seen of {origin!r} cannot be kept: {error.strerror}") from error

    def _file(self, origin: str) -> Path:
        return self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"
