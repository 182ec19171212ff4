"""A migrated log on a real Postgres, opened as the service's role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from amas_audit.adapters import postgres_pool
from amas_audit.adapters.migrate import migrate
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.domain.signed_note import NoteSigner
from amas_cli.local.database_setup import ensure_databases
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .faults.servers import FaultyPostgres
from .logs import LogDatabase

ORIGIN = "amas.test/audit"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds within which this process answers are a machine's of its own; what a test says of one it sets."""
    for name in ("CONNECT_TIMEOUT", "STATEMENT_TIMEOUT"):
        monkeypatch.setattr(postgres_pool, name, 60.0)
    for name in ("LOCK_TIMEOUT_MS", "IDLE_IN_TRANSACTION_MS", "TRANSACTION_MS"):
        monkeypatch.setattr(postgres_pool, name, 60_000)


@pytest.fixture
def signer() -> NoteSigner:
    """A key that is the same in every test, so that a failure can be repeated."""
    return NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def log_database(database: Callable[[str], Any]) -> LogDatabase:
    """A fresh database whose schema is migrated."""
    made = LogDatabase.of(database("audit"))
    migrate(made.owner_dsn)
    return made


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[FaultyPostgres]:
    """A server for a test that takes it away. The session's has the databases of all others, and takes long to stop."""
    made = FaultyPostgres.at(tmp_path / "own-postgres")
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
async def own_database(own_postgres: FaultyPostgres, tmp_path: Path) -> LogDatabase:
    """A migrated database on that server."""
    accesses = await ensure_databases(own_postgres.dsn(), tmp_path / "own-secrets", services=["audit"])
    made = LogDatabase.of(accesses["audit"])
    await asyncio.to_thread(migrate, made.owner_dsn)
    return made


@pytest.fixture
async def pool(log_database: LogDatabase) -> AsyncIterator[Pool]:
    """Connections of the service's role."""
    opened = await open_pool(log_database.service_dsn, connections=4, start_timeout=60)
    yield opened
    await opened.close()


@pytest.fixture
async def dropper(log_database: LogDatabase) -> AsyncIterator[Pool]:
    """Connections of the role that can only drop."""
    opened = await open_pool(log_database.dropper_dsn, connections=1, start_timeout=60)
    yield opened
    await opened.close()
