"""Becomes the program that it is told to run, after tying its life to the supervisor's.

Run as a file with `python -I -S`, so that it costs 20 ms and no memory: it is replaced by exec. Arguments: the pid that
must be the parent, the signal to get when that parent dies, `uid:gid` to run as or `-`, then the command.
Must never import the package that it lies in.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Importing typing would double the time that this takes.
    from typing import Any

PR_SET_PDEATHSIG = 1
CANNOT_EXECUTE = 126
PARENT_IS_GONE = 125


def main(arguments: list[str]) -> None:
    """Never returns: exec, or exit with 125 (parent gone) or 126 (cannot be executed)."""
    parent, signal_number, identity, command = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3:]
    # Loaded before the change of identity: the other user may not reach the standard library.
    libc = _libc()
    if identity != "-":
        uid, gid = (int(part) for part in identity.split(":"))
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    # After the change of identity, which clears the setting.
    if libc is not None and libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        sys.exit(CANNOT_EXECUTE)
    if os.getppid() != parent:
        sys.exit(PARENT_IS_GONE)
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_EXECUTE)


def _libc() -> Any:
    """The C library where it has prctl, else None."""
    if sys.platform != "linux":
        return None
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main(sys.argv[1:])
