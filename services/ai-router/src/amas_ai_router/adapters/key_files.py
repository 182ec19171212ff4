"""Provider keys from files in one folder, read again when a file changes, so that a key rotates without a restart.

A key is never logged and never part of an error.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from amas_ai_router.domain.errors import AttemptError, FailureReason

# A key is a line; a larger file is no key (bytes).
MAX_KEY_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, int, int]
    key: str

    def __repr__(self) -> str:
        return "_Read(key=***)"


class KeyFiles:
    """Keys by the names that ModelProviders give. Several keys of one provider take turns."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, _Read] = {}
        self._turn = itertools.count()

    def next_key(self, names: tuple[str, ...]) -> str | None:
        """The key whose turn it is; None for a provider without keys. Raises AttemptError KEY_MISSING."""
        if not names:
            return None
        return self._key(names[next(self._turn) % len(names)])

    def _key(self, name: str) -> str:
        # Names come from resources, which allow no separators; a second look costs nothing.
        if self._folder is None or name in ("", ".", "..") or "/" in name or "\\" in name:
            raise AttemptError(FailureReason.KEY_MISSING, "no such key file")
        path = self._folder / name
        try:
            status = os.stat(path)
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._known.get(name)
            if known is not None and known.stamp == stamp:
                return known.key
            if status.st_size > MAX_KEY_BYTES:
                raise AttemptError(FailureReason.KEY_MISSING, "the key file is too large")
            key = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AttemptError(FailureReason.KEY_MISSING, "the key file cannot be read") from error
        if not key or not key.isascii() or not key.isprintable():
            raise AttemptError(FailureReason.KEY_MISSING, "the key file holds no key")
        self._known[name] = _Read(stamp, key)
        return key
