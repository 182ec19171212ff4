"""What the servers from wheels have in common: started as a child, waited for, stopped with a bound."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import psutil

POLL_S = 0.05


class EmbeddedServerError(RuntimeError):
    """The server could not be prepared, started or stopped; the message is for people."""


class EmbeddedServer(ABC):
    """A server on 127.0.0.1. A supervisor uses `prepare`, `command` and `accepts`; a test `start` and `stop`."""

    name = ""
    # A first start may create the data; recovery after a crash can take longer still (seconds).
    start_timeout = 60.0
    stop_timeout = 20.0
    stop_signal = signal.SIGTERM

    def __init__(self, port: int, password_file: Path, log_file: Path | None) -> None:
        """Names the server; nothing is written before `prepare`."""
        self.port = port
        self.password_file = password_file
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Creates and configures what the server needs. Idempotent."""

    @abstractmethod
    def command(self) -> list[str]:
        """Argument list that runs the server in the foreground."""

    def popen_arguments(self) -> dict[str, Any]:
        """Keyword arguments for subprocess that go with `command`."""
        return {}

    @abstractmethod
    def accepts(self) -> bool:
        """Says whether the server takes requests now."""

    @property
    def pid(self) -> int | None:
        """Process id of the server that this object started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Prepares, starts and waits until the server answers.

        Raises:
            EmbeddedServerError: it did not come up within its time.
        """
        self.prepare()
        log = self._log_file.open("ab") if self._log_file else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own binary, fixed arguments
                self.command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self.popen_arguments(),
            )
        finally:
            if not isinstance(log, int):
                log.close()
        deadline = time.monotonic() + self.start_timeout
        while not self.accepts():
            if self._process.poll() is not None:
                raise EmbeddedServerError(f"{self.name} ended while starting (exit code {self._process.returncode})")
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedServerError(f"{self.name} did not answer within {self.start_timeout:.0f} s")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stops the server that this object started, with all that it started itself. Idempotent."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(self.stop_signal)
        try:
            process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            # What a killed server leaves at its files (Postgres: a checkpoint that is being synced) bars the next one.
            family = _family(process.pid)
            process.kill()
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            process.wait(self.stop_timeout)
            psutil.wait_procs(family, self.stop_timeout)


def _family(pid: int) -> list[psutil.Process]:
    """All descendants of a process at this moment."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(psutil.Process(pid).children(recursive=True))
    return []
