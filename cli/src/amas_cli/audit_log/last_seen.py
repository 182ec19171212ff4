"""Keeps the checkpoint that was verified last, so that a log cannot later show another past without being noticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amas_cli.audit_trail.keyring import KeyRing, Opened
from amas_cli.audit_trail.note import NoteRefusedError
from amas_cli.audit_trail.saving import new_export


class LastSeenError(Exception):
    """The kept checkpoint cannot be used; the text says what to do."""


@dataclass(frozen=True)
class LastSeen:
    """A file with one checkpoint."""

    file: Path

    def read(self, keys: KeyRing) -> Opened | None:
        """What was seen last, None the first time.

        LastSeenError if it is not signed by one of the keys: to begin anew would forget the past without a word.
        """
        try:
            return keys.open(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (NoteRefusedError, UnicodeDecodeError) as error:
            raise LastSeenError(
                f"{self.file} holds no checkpoint of this log's keys ({error}); if that is known, move it away"
            ) from error
        except OSError as error:
            raise LastSeenError(f"{self.file} cannot be read: {error.strerror}") from error

    def keep(self, note: str) -> None:
        """Replace what is kept, whole or not at all. OSError as it comes."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with new_export(self.file) as file:
            file.write(note.encode())
