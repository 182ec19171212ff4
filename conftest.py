"""Real parts for tests: an embedded Postgres and Valkey, and certificates, made once a session and thrown away."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from amas_cli.local.authority import CertificateFiles, ensure_authority, issue_certificate
from amas_cli.local.database_setup import DatabaseAccess, ensure_databases, ensure_password
from amas_cli.local.embedded_postgres import EmbeddedPostgres
from amas_cli.local.embedded_valkey import EmbeddedValkey
from hypothesis import HealthCheck, settings

from tests.integration.ports import free_port

# Tests start servers from processes that speak gRPC; its threads must not wake up in the child between fork and exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Its core tells each connection's end on stderr, in the middle of the tests' own lines.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# How long an example takes is a matter of who else is at work on the machine, and tells nothing of the code.
settings.register_profile("amas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("amas")

# The start of a platform may take its own two minutes (tests/local_platform.py), and counts to the test that needs it
# first (seconds).
PLATFORM_TIMEOUT_S = 300

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test on a whole platform has time for its start, where it does not say another time-out."""
    for item in items:
        if item.get_closest_marker("e2e") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PLATFORM_TIMEOUT_S))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> EmbeddedPostgres:
    """A real Postgres for the session. What a crash of the machine leaves is for tests with a server of their own."""
    folder = tmp_path_factory.mktemp("postgres")
    password = folder / "superuser"
    ensure_password(password)
    server = EmbeddedPostgres(
        folder / "data", free_port(), password_file=password, log_file=folder / "log", durable=False
    )
    # After the session, and not at the end of its last test: to stop it and to unlink the files of all tests' databases
    # takes longer than a test may on a busy machine.
    pytestconfig.add_cleanup(server.remove)
    server.start()
    return server


@pytest.fixture
def database(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], DatabaseAccess]:
    """Makes a fresh database with a service's roles and schemas, not migrated yet."""
    secrets_dir = Path(tmp_path_factory.getbasetemp()) / "postgres-secrets"

    def create(service: str) -> DatabaseAccess:
        name = f"amas_test_{next(_numbers)}"
        made = asyncio.run if not _loop_runs() else _in_thread
        return made(ensure_databases(postgres.dsn(), secrets_dir, database=name, services=[service]))[service]

    return create


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_thread(coroutine):  # type: ignore[no-untyped-def]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A real Valkey for the session."""
    folder = tmp_path_factory.mktemp("valkey")
    password = folder / "password"
    ensure_password(password)
    server = EmbeddedValkey(folder / "data", free_port(), password_file=password, log_file=folder / "log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """URL with the password of an empty Redis."""
    password = valkey.password_file.read_text().strip()
    url = f"redis://:{password}@127.0.0.1:{valkey.port}/0"
    with socket.create_connection(("127.0.0.1", valkey.port), timeout=60) as connection:
        connection.sendall(f"AUTH {password}\r\nFLUSHALL\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += connection.recv(256)
    assert answer == b"+OK\r\n+OK\r\n", "the test's Redis could not be emptied"
    return url


class Certificates:
    """Certificates of a test authority, one a service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ensure_authority(folder)

    def files(self, service: str) -> CertificateFiles:
        """Paths of a service's certificate, key and CA."""
        return issue_certificate(self.folder, service)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate authority for the session."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


class MountedSecret:
    """A folder as a kubelet mounts a Secret in it: files are links into a folder that one rename replaces whole."""

    def __init__(self, folder: Path, data: Mapping[str, bytes]) -> None:
        self.folder = folder
        self._version = itertools.count(1)
        folder.mkdir(parents=True)
        self.update(data)
        for name in data:
            (folder / name).symlink_to(Path("..data") / name)

    def update(self, data: Mapping[str, bytes]) -> None:
        """All files are others from one moment to the next, and the old ones are gone."""
        before = (self.folder / "..data").resolve()
        fresh = self.folder / f"..2026_{next(self._version)}"
        fresh.mkdir()
        for name, content in data.items():
            (fresh / name).write_bytes(content)
        (self.folder / "..data_tmp").symlink_to(fresh.name)
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        if before != self.folder / "..data":
            shutil.rmtree(before)


@pytest.fixture
def mounted_secret(tmp_path: Path) -> Callable[[Mapping[str, bytes]], MountedSecret]:
    """Makes a Secret's volume of a test."""
    return lambda data: MountedSecret(tmp_path / f"mounted-{next(_numbers)}", data)
