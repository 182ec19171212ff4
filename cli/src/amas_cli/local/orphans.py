"""Ends what a dead part leaves behind (tool servers, Postgres backends): the supervisor adopts and outwaits it."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable

import psutil

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 3.0
"""An orphan sees the end of its input and may finish what it is writing, a git commit for instance."""
KILL_WAIT_S = 2.0
POLL_S = 0.05

_log = logging.getLogger(__name__)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies. Linux only; elsewhere nothing."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans(known: set[int]) -> list[psutil.Process]:
    """Direct children that nobody started on purpose. Zombies among them are reaped on the way.

    Short-lived programs of our own (initdb, pg_isready) share our session; the parts and what they start do not.
    """
    found = []
    own_session = os.getsid(0)
    for child in psutil.Process().children():
        if child.pid in known:
            continue
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(child.pid) == own_session:
                continue
            if child.status() == psutil.STATUS_ZOMBIE:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)
                continue
            found.append(child)
    return found


async def end_orphans(known: Callable[[], set[int]], grace: float = GRACE_S) -> None:
    """Give today's orphans `grace` seconds, then kill them and reap them. `known` answers the pids of living parts."""
    waiting = {child.pid: child for child in orphans(known())}
    waiting = await _wait(waiting, known, grace)
    for child in waiting.values():
        _log.warning("killing process %d, which a part left behind", child.pid)
        with contextlib.suppress(psutil.Error):
            child.send_signal(signal.SIGKILL)
    await _wait(waiting, known, KILL_WAIT_S)


async def _wait(
    waiting: dict[int, psutil.Process], known: Callable[[], set[int]], seconds: float
) -> dict[int, psutil.Process]:
    """Those that still live after at most so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while waiting and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_S)
        alive = {child.pid for child in orphans(known())}
        waiting = {pid: child for pid, child in waiting.items() if pid in alive}
    return waiting
