"""Starts a tool server's program so that it cannot outlive the sidecar.

Run as a script by `python -I -S` with nothing but the standard library, in the child, before the program replaces it:
`tool_launcher.py PARENT_PID PROGRAM [ARGUMENT...]`. It must never import anything of ours.
"""

import ctypes
import os
import resource
import signal
import sys

# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

EXIT_CANNOT_START = 127


def main() -> None:
    parent, program, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[2:]
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        # SIGKILL for the tool when the sidecar dies in whatever way, kill -9 included.
        if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(EXIT_CANNOT_START)
        # A set-user-id program would both gain rights and lose the death signal.
        if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            sys.exit(EXIT_CANNOT_START)
        # The sidecar may have died before the signal was armed.
        if os.getppid() != parent:
            sys.exit(EXIT_CANNOT_START)
    # A core file would hold credentials.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.execv(program, arguments)  # noqa: S606 - no shell is wanted: the program is named by its path
    except OSError as error:
        print(f"cannot start {os.path.basename(program)}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)


if __name__ == "__main__":
    main()
