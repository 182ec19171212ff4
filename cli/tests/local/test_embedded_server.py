"""A server that does not end in its time is killed with all that it started."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
from amas_cli.local.embedded_server import EmbeddedServer

STUBBORN = """
import pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
signal.pause()
"""


class Stubborn(EmbeddedServer):
    """Ignores being asked to stop; its child is in a session of its own, as those of Postgres are."""

    name = "Stubborn"
    stop_timeout = 2.0

    def __init__(self, folder: Path) -> None:
        super().__init__(0, folder / "password", None)
        self.told = folder / "child"

    def prepare(self) -> None:
        """Nothing is needed."""

    def command(self) -> list[str]:
        """Writes its child's number down when there is one."""
        return [sys.executable, "-c", STUBBORN, str(self.told)]

    def accepts(self) -> bool:
        """There is a child."""
        return self.told.exists() and bool(self.told.read_text())


def test_what_a_killed_server_started_ends_with_it(tmp_path: Path) -> None:
    """A process left at the server's data would bar the next server."""
    server = Stubborn(tmp_path)
    server.start()
    child = psutil.Process(int(server.told.read_text()))
    server.stop()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    server.stop()
