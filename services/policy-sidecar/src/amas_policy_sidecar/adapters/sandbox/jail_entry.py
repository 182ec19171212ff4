"""The first program inside a jail: sets the bounds, becomes the tool's user, and is replaced by the tool server.

Run as a script by `python -I -S` with nothing but the standard library: `jail_entry.py BOUNDS PROGRAM [ARGUMENT...]`,
where BOUNDS is JSON of rlimits, user and folder. It must never import anything of ours, nor let a descriptor but the
three standard ones through.
"""

import json
import os
import resource
import sys

EXIT_NO_SANDBOX = 125
EXIT_CANNOT_START = 127
_FIRST_OTHER, _BEYOND = 3, 1 << 20


def main() -> None:
    bounds, program, arguments = json.loads(sys.argv[1]), sys.argv[2], sys.argv[2:]
    try:
        for name, value in bounds["limits"].items():
            limit(name, value)
        # A core file would hold credentials.
        limit("CORE", 0)
        if bounds["uid"] is not None:
            os.setgroups([])
            os.setresgid(bounds["uid"], bounds["uid"], bounds["uid"])
            os.setresuid(bounds["uid"], bounds["uid"], bounds["uid"])
        # As the tool's user: only it may enter a folder that is closed to others.
        os.chdir(bounds["folder"])
    except (OSError, ValueError) as error:
        print(f"no sandbox: {error}", file=sys.stderr)
        sys.exit(EXIT_NO_SANDBOX)
    os.closerange(_FIRST_OTHER, _BEYOND)
    os.umask(0o022)
    try:
        os.execv(program, arguments)  # noqa: S606 - no shell is wanted: the program is named by its path
    except OSError as error:
        print(f"cannot start {os.path.basename(program)}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)


def limit(name: str, value: int) -> None:
    """Lower a bound of ourselves and all that we start; it can never be raised again."""
    number = getattr(resource, f"RLIMIT_{name}", None)
    if number is None:
        return
    _, hard = resource.getrlimit(number)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (value, value))


if __name__ == "__main__":
    main()
