"""Reads a file that holds a secret. It takes none that others on the machine could read.

Ours alone, or as Kubernetes mounts a Secret for a pod that is not root: root's, read by the group of the pod's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
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
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotReadyError(f"the {what} {path} is not a file")
        if not is_private(found, os.geteuid(), {os.getegid(), *os.getgroups()}):
            raise NotReadyError(
                f"the {what} {path} is open to group or others: chmod 600 it, or give it to root and to a group of the "
                "service's own, mode 440"
            )
        content = os.read(descriptor, MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise NotReadyError(f"the {what} {path} has more than {MAX_FILE_BYTES} bytes")
        return content
    finally:
        os.close(descriptor)


def is_private(found: os.stat_result, user: int, groups: Collection[int]) -> bool:
    """Whether nobody but this user can read or change the file, root aside.

    Root's own file may be read by a group of ours (a Secret's volume under `fsGroup`); a file of ours has no reason to.
    """
    if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP):
        return False
    if not found.st_mode & stat.S_IRGRP:
        return True
    return found.st_uid == 0 != user and found.st_gid in groups
