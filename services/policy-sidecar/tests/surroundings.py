"""Where the tool servers of tests run: isolated, as in production, in a folder of the test's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
from amas_policy_sidecar.adapters.sandbox.host import SandboxMode, SandboxSettings
from amas_policy_sidecar.adapters.transports import ToolSurroundings

PROGRAMS = Path(__file__).parent
ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}", "HOME": "/nowhere", "LANG": "C.UTF-8"}


def surroundings(
    workdir: Path, credentials: Path | None = None, mode: SandboxMode = SandboxMode.REQUIRED
) -> ToolSurroundings:
    """Tool servers in `workdir`, which may be any program of the tests'."""
    hidden = (credentials,) if credentials else ()
    settings = SandboxSettings(mode, workdir, programs=(PROGRAMS,), hidden=hidden)
    return ToolSurroundings(environment=ENVIRONMENT, credentials_dir=credentials, sandbox=settings)


def running(script: str, within: int | None = None) -> list[int]:
    """Processes that run a program of the tests' under this process (or another): as the machine counts them."""
    found = []
    for process in psutil.Process(within).children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        # In a jail there are bubblewrap, its first process and the program itself: the last one is meant.
        if any(argument.endswith(script) for argument in command[:4]) and "bwrap" not in command[0]:
            found.append(process.pid)
    return found
