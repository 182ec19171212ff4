"""A migrated log on a real Postgres, opened as the service's role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from amas_audit.adapters.migrate import migrate
from amas_audit.adapters.postgres_pool import Pool, open_pool
from amas_audit.domain.signed_note import NoteSigner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .logs import LogDatabase

ORIGIN = "amas.test/audit"


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
async def pool(log_database: LogDatabase) -> AsyncIterator[Pool]:
    """Connections of the service's role."""
    opened = await open_pool(log_database.service_dsn, connections=4, start_timeout=60)
    yield opened
    await opened.close()
