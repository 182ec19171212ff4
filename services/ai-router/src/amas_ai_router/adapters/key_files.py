"""Provider keys from files in one folder, read again when a file changes, so that a key rotates without a restart.

A key is never logged and never part of an error.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from amas_ai_router.domain.bounded_cache import BoundedCache
from amas_ai_router.domain.errors import AttemptError, FailureReason

# A key is a line; a larger file is no key (bytes).
MAX_KEY_BYTES = 16 * 1024
# Keys held at once.
MAX_KEYS = 1024


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and the stamp of the file that held it: another stamp, another key."""

    stamp: tuple[int, int, int]
    text: str

    def __repr__(self) -> str:
        return "Key(***)"


class KeyFiles:
    """Keys by the names that ModelProviders give."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: BoundedCache[str, Key] = BoundedCache(MAX_KEYS)

    def read(self, name: str) -> Key:
        """The key in a file now. Raises AttemptError KEY_MISSING."""
        # Names come from resources, which allow no separators; a second look costs nothing.
        if self._folder is None or name in ("", ".", "..") or "/" in name or "\\" in name:
            raise AttemptError(FailureReason.KEY_MISSING, "no such key file")
        path = f"{self._folder}/{name}"
        try:
            status = os.stat(path)
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._known.get(name)
            if known is not None and known.stamp == stamp:
                return known
            if status.st_size > MAX_KEY_BYTES:
                raise AttemptError(FailureReason.KEY_MISSING, "the key file is too large")
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AttemptError(FailureReason.KEY_MISSING, "the key file cannot be read") from error
        if not text or not text.isascii() or not text.isprintable():
            raise AttemptError(FailureReason.KEY_MISSING, "the key file holds no key")
        key = Key(stamp, text)
        self._known.put(name, key)
        return key
