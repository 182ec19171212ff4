"""Processes of the benchmark: started with a log, pinned to a core, stopped by their own id with what they began."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from amas_cli.local.processes import LAUNCHER

from ...waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
STOP_TIMEOUT_S = 20.0
LOG_BYTES_SHOWN = 3000


class NotStartedError(RuntimeError):
    """A process that is measured, or measures, did not come up."""


@contextlib.contextmanager
def running(
    argv: Sequence[str], log: Path, *, ready_port: int = 0, timeout: float = 60.0, environment: Mapping[str, str] = {}
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that takes connections on `ready_port`, if one is named, while the context is open.

    Raises:
        NotStartedError: it ended, or stayed silent for `timeout` seconds; with the end of its log.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*tied(), *argv],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **environment},
        )
    try:
        if ready_port:
            _wait(process, ready_port, log, timeout)
        yield process
    finally:
        stop(process)


def tied() -> list[str]:
    """What a command is put behind so that it gets SIGTERM when we end, however we end."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM)), "-"]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends it and what it started; kills what does not end in time. Safe to repeat."""
    if process.poll() is not None:
        return
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    for left in below:
        with contextlib.suppress(psutil.Error):
            left.kill()
    if process.poll() is None:
        process.kill()
        process.wait(STOP_TIMEOUT_S)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, timeout: float) -> None:
    def there() -> bool:
        if process.poll() is not None:
            raise NotStartedError(f"{process.args!r} ended ({process.returncode}):\n{log_end(log)}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(f"port {port} of {process.args!r}", there, timeout)
    except AssertionError as error:
        raise NotStartedError(f"{error}\n{log_end(log)}") from error


def log_end(log: Path) -> str:
    """The last words of a log."""
    return log.read_bytes()[-LOG_BYTES_SHOWN:].decode("utf-8", "replace")


def pin(pid: int, core: int) -> None:
    """Binds a process, its threads and its children to one core; what they start later inherits it."""
    if core not in os.sched_getaffinity(0) and core >= (os.cpu_count() or 1):
        return
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            for thread in process.threads():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread.id, {core})


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package."""
    return [sys.executable, "-m", f"tests.load.router.{name}", *arguments]
