"""The service's own connections to Postgres, and its errors in our words: a database that is away is UNAVAILABLE.

No error text of the database leaves this module: it may hold values.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from amas_chassis.errors import AmasError, ErrorKind

CONNECTIONS = 8
COMMAND_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 5.0
START_PAUSE_SECONDS = 0.25

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

_log = logging.getLogger(__name__)

Connection = asyncpg.pool.PoolConnectionProxy


class _Connection(asyncpg.Connection):
    """Comes back to the pool as it is: we change no state of a session, and resetting it would cost a round trip."""

    def get_reset_query(self) -> str:
        """Nothing. A transaction that was left open is rolled back by the pool itself."""
        return ""


class Database:
    """A bounded pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, dsn: str, connections: int = CONNECTIONS) -> Database:
        """Connects; raises AmasError UNAVAILABLE when the database is not there."""
        async with _mapped():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections,
                command_timeout=COMMAND_TIMEOUT_SECONDS,
                timeout=CONNECT_TIMEOUT_SECONDS,
                init=_set_codecs,
                connection_class=_Connection,
                server_settings={"application_name": "amas_orchestrator"},
            )
        return cls(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit."""
        async with _mapped(), self._pool.acquire(timeout=COMMAND_TIMEOUT_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def check(self, revision: str) -> None:
        """Raises unless the database answers and its schema is at the revision, or at a newer one.

        Migrations only add: while an upgrade lasts, and after it was taken back, this code works on a newer schema.
        Revisions are numbers of four digits, so that their order is that of their texts.
        """
        async with self.connection() as connection:
            found = await connection.fetchval("SELECT version_num FROM orchestrator.alembic_version")
        if found is None or found < revision:
            raise AmasError(
                ErrorKind.FAILED_PRECONDITION,
                "SCHEMA_MISMATCH",
                f"the schema is at revision {found}, this code needs {revision}: run `migrate`",
            )

    async def close(self) -> None:
        """Closes all connections, at once if they do not end by themselves."""
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


def utc(value: datetime) -> datetime:
    """Postgres answers in UTC; the same moment with the one name that all of our code uses."""
    return value.astimezone(UTC)


def json_text(value: Any) -> str:
    """JSON that jsonb takes: it has no place for the character NUL, which becomes a replacement character."""
    return orjson.dumps(value).decode().replace("\\u0000", "\\ufffd")


@asynccontextmanager
async def _mapped() -> AsyncIterator[None]:
    try:
        yield
    except _AWAY as error:
        raise AmasError(ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database is away") from error
    except _AGAIN as error:
        raise AmasError(ErrorKind.ABORTED, "DATABASE_CONFLICT", "two transactions met; ask again") from error


async def wait_for_database(dsn: str, revision: str, seconds: float) -> Database:
    """The database, once it is there with the schema that this code needs; raises what is wrong after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    told = False
    while True:
        database: Database | None = None
        try:
            database = await Database.open(dsn)
            await database.check(revision)
            return database
        except (AmasError, asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
            if database is not None:
                await database.close()
            if loop.time() >= deadline:
                raise
            if not told:
                why = str(error) if isinstance(error, AmasError) else "its tables are missing: run `migrate`"
                _log.warning("waiting for the database", extra={"why": why, "seconds": seconds})
            told = True
        await asyncio.sleep(START_PAUSE_SECONDS)


async def _set_codecs(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json_text, decoder=orjson.loads, schema="pg_catalog")
