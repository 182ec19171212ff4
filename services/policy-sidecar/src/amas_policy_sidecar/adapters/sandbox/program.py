"""The command that starts a jail, and the descriptor that its spec goes through."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What `launcher.py` and `jail_entry.py` exit with when the jail cannot be built.
EXIT_NO_SANDBOX = 125

_LAUNCHER = Path(__file__).with_name("launcher.py")


def launcher_command(descriptor: int) -> list[str]:
    """The command that starts what the spec behind the descriptor says."""
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(descriptor)]


@contextmanager
def sent(spec: Mapping[str, Any]) -> Iterator[int]:
    """A descriptor to read the spec from. It has no name, since the spec holds credentials."""
    content = json.dumps(spec).encode()
    if sys.platform == "linux":
        descriptor = os.memfd_create("amas", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
