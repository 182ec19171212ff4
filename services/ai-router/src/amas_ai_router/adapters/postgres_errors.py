"""Postgres away is a state that clients may see; any other database error is a fault of ours and stays hidden."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from amas_ai_router.domain.errors import unavailable

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.ReadOnlySQLTransactionError,
)


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Raises UNAVAILABLE, reason LEDGER_UNAVAILABLE, when the database cannot answer."""
    try:
        yield
    except _AWAY as error:
        raise unavailable("LEDGER_UNAVAILABLE", "the ledger does not answer") from error
