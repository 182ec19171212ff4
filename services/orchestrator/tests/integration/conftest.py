"""The platform of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from amas_cli.local.database_setup import ensure_databases, ensure_password
from amas_cli.local.embedded_postgres import EmbeddedPostgres

from tests.integration.ports import free_port

from .platform import Platform, platform


@pytest.fixture
async def amas(database: Any, certificates: Any, tmp_path: Path) -> AsyncIterator[Platform]:
    """Fake neighbours and a migrated database; the test starts the processes."""
    async with platform(database, certificates, tmp_path) as made:
        yield made


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server for a test that takes it away. The session's has the databases of all others, and takes long to stop."""
    folder = tmp_path / "own-postgres"
    password = folder / "superuser"
    ensure_password(password)
    server = EmbeddedPostgres(
        folder / "data", free_port(), password_file=password, log_file=folder / "log", durable=False
    )
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
async def amas_apart(own_postgres: EmbeddedPostgres, certificates: Any, tmp_path: Path) -> AsyncIterator[Platform]:
    """The same as `amas` on that server."""
    accesses = await ensure_databases(own_postgres.dsn(), tmp_path / "own-secrets", services=["orchestrator"])
    async with platform(accesses.__getitem__, certificates, tmp_path) as made:
        yield made
