"""Waiting for a condition, with a bound, instead of for a time; and what tests start beside themselves."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

# Seconds that a condition may take on a busy machine, and between two looks.
PATIENCE = 60.0
PAUSE = 0.02


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; TimeoutError after PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(PAUSE)


async def ends(pid: int) -> None:
    """Return once the process is gone; a zombie is gone too."""

    def gone() -> bool:
        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True

    await eventually(gone)


def command_of(process: psutil.Process) -> str:
    """Its command line; empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def children() -> dict[psutil.Process, str]:
    """All processes below this one, by their names; those that end while we look are not among them."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found[process] = process.name()
    return found


def make_repository(folder: Path) -> Path:
    """A git repository with one empty commit and an author of its own."""
    for command in (
        ["init", "-q", str(folder)],
        ["-C", str(folder), "config", "user.name", "developer"],
        ["-C", str(folder), "config", "user.email", "developer@example.com"],
        ["-C", str(folder), "commit", "-q", "--allow-empty", "-m", "the first"],
    ):
        subprocess.run(["git", *command], check=True)
    return folder
