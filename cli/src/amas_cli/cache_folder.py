"""Where this user keeps what can be made again: programs that were built, patterns that were compiled."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`AMAS_CACHE_DIR`, else `~/.cache/amas`."""
    return Path(os.environ.get("AMAS_CACHE_DIR") or Path.home() / ".cache" / "amas")
