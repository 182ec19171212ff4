"""Reads a file that holds a secret. It takes none that others on the machine could read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from amas_audit.domain.errors import NotReadyError

# A key in PEM has about 120 bytes, and a file of master keys one short line for each.
MAX_FILE_BYTES = 16 << 10


def read_private_file(path: Path, what: str) -> bytes:
    """The content. NotReadyError, with a sentence for the operator that calls it `what`, if it may not be used."""
    try:
        # Without waiting for the other end of what is no file.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotReadyError(f"the {what} {path} cannot be read: {error.strerror}") from error
    try:
        # Asked of the open file, so that the answer is about what is read.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotReadyError(f"the {what} {path} is not a file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise NotReadyError(f"the {what} {path} is open to group or others: chmod 600 it")
        content = os.read(descriptor, MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise NotReadyError(f"the {what} {path} has more than {MAX_FILE_BYTES} bytes")
        return content
    finally:
        os.close(descriptor)
