"""Postgres servers of a test's own, to be killed, stopped, filled up and failed over; from the embedded binaries."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from amas_cli.local.data_directory import REACHABLE_PARENT
from amas_cli.local.database_setup import ensure_password
from amas_cli.local.embedded_postgres import SUPERUSER, EmbeddedPostgres, binary, environment

from tests.waiting import wait_for

from ..processes import free_port

# Seconds that a copy of an empty server may take on a busy machine.
COPY_TIMEOUT = 180


class FaultyPostgres(EmbeddedPostgres):
    """A server that can be treated badly."""

    @classmethod
    def at(cls, folder: Path, password_file: Path | None = None) -> FaultyPostgres:
        """A server whose data lies in `folder`; a standby has its primary's password."""
        folder.mkdir(exist_ok=True)
        password = password_file or folder / "superuser"
        ensure_password(password)
        return cls(folder / "data", free_port(), password_file=password, log_file=folder / "log")

    def kill(self) -> None:
        """SIGKILL to the server and all its processes at once, as when its machine stops."""
        family = self._processes()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._wait()
        # Killed is not gone yet, and whoever lingers holds the memory that the next server must find free.
        wait_for("all of its processes are gone", lambda: not any(map(_lives, family)), self.stop_timeout)

    @contextlib.contextmanager
    def held_up(self) -> Iterator[None]:
        """All its processes stand still meanwhile: connections stay open and nothing answers."""
        stopped = self._processes()
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def _processes(self) -> list[psutil.Process]:
        """The server first, so that it starts no other meanwhile."""
        assert self.pid is not None
        server = psutil.Process(self.pid)
        return [server, *server.children(recursive=True)]

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(self.stop_timeout)

    @property
    def alive(self) -> bool:
        """Whether the server's process is there."""
        return self._process is not None and self._process.poll() is None

    def copy_to(self, standby: FaultyPostgres) -> None:
        """Make `standby` a streaming replica, not started yet (pg_basebackup -R)."""
        data = standby._data.make()
        source = f"host={self.host} port={self.port} user={SUPERUSER} application_name=standby"
        # The copy is made into an empty folder; then the password lies where the replica looks for it.
        with tempfile.NamedTemporaryFile("w", prefix="pgpass-", dir=REACHABLE_PARENT) as passwords:
            passwords.write(f"{self.host}:{self.port}:*:{SUPERUSER}:{self.password_file.read_text().strip()}\n")
            passwords.flush()
            standby._identity.own(Path(passwords.name))
            subprocess.run(
                [str(binary("pg_basebackup")), "-D", str(data), "-d", source, "-R", "-X", "stream", "-c", "fast"],
                check=True,
                timeout=COPY_TIMEOUT,
                env=environment() | {"PGPASSFILE": passwords.name},
                cwd="/",
                **standby._identity.popen(),
            )
            kept = data / "pgpass"
            shutil.copy(passwords.name, kept)
            standby._identity.own(kept)
        with (data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(f"primary_conninfo = '{source} passfile={kept}'\n")


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


@contextlib.contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A folder on a file system of its own that holds no more than `size`. PermissionError where none may be made."""
    folder = Path(tempfile.mkdtemp(prefix="amas-small-disk-", dir=REACHABLE_PARENT))
    folder.chmod(0o755)
    try:
        made = subprocess.run(
            ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
            text=True,
        ) if Path("/usr/bin/mount").exists() else None  # fmt: skip
        if made is None or made.returncode != 0:
            raise PermissionError(made.stderr.strip() if made else "there is no /usr/bin/mount")
        try:
            yield folder
        finally:
            subprocess.run(["/usr/bin/umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Write until nothing more fits; the file that has to go to make room again."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"\0" * 65536):
            pass
    return ballast


def send(process: int, what: signal.Signals) -> None:
    """A signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, what)
