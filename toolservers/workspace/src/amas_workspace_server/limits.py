"""The bounds of a workspace, and how much of them is used."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

_SIZE = re.compile(r"([0-9]{1,12})(Ki|Mi|Gi)?")
_UNITS = {None: 1, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


@dataclass(frozen=True)
class Limits:
    """Bytes and files of the whole workspace (Git's own insides not counted), and bytes of one file."""

    max_bytes: int = 10 * 1024**2
    max_files: int = 1_000
    max_file_bytes: int = 1024**2


@dataclass(frozen=True)
class Usage:
    """What a workspace holds."""

    bytes: int = 0
    files: int = 0


def parse_size(text: str) -> int:
    """Bytes of `512`, `64Ki` or `10Mi`; raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("expected a size such as 512, 64Ki or 10Mi")
    return int(match[1]) * _UNITS[match[2]]


def measure(root: int, limits: Limits) -> Usage:
    """Walks the folder of a descriptor; stops counting once both bounds are passed, so that its work is bounded."""
    size = files = 0
    for _, folders, names, descriptor in os.fwalk(dir_fd=root, follow_symlinks=False):
        folders[:] = [name for name in folders if name.casefold() != ".git"]
        for name in names:
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone since it was listed
            if stat.S_ISREG(status.st_mode):
                size += status.st_size
                files += 1
        if size > limits.max_bytes and files > limits.max_files:
            break
    return Usage(size, files)
