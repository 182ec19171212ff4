"""Connections to the log's database, and which of its failures are worth another try.

A connection always waits for the disk (`synchronous_commit`), and the database ends a transaction whose process hangs,
so that a stopped sequencer cannot hold the others up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from amas_audit.domain.errors import NotReadyError, log_unavailable

# Seconds: to open a connection, and for one statement.
CONNECT_TIMEOUT = 3.0
STATEMENT_TIMEOUT = 10.0
# Milliseconds that a sequencer waits for another's transaction, and that one may sit idle inside its own.
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_MS = 5_000
# Milliseconds that a transaction may take in all. The driver asks in two steps, and to the database a process that
# stands still between them is not idle; this ends its transaction too (Postgres 17 or newer).
TRANSACTION_MS = 10_000
# Seconds between two looks at a database that is not up yet.
START_PAUSE = 0.25

# SQLSTATE classes and codes that speak of the database's condition, not of what it was asked: connection lost, out of
# resources (also disk), stopped by an operator, I/O, lock not to be had, read-only (a replica), serialisation.
_CONDITION_CLASSES = ("08", "53", "57", "58")
_CONDITION_CODES = ("55P03", "25006", "25P03", "25P04", "40001", "40P01")

_LOG = logging.getLogger(__name__)

if TYPE_CHECKING:
    # Generic in the stubs alone.
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Turn what says "the database is away" into AmasError LOG_UNAVAILABLE; let everything else through."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The last is what the driver says when it is told the end of its session between two steps of one statement.
        raise log_unavailable() from error
    except asyncpg.PostgresError as error:
        if not is_condition(error):
            raise
        raise log_unavailable() from error


def is_condition(error: asyncpg.PostgresError) -> bool:
    """Whether the error speaks of the database's condition rather than of the statement."""
    code = error.sqlstate or ""
    return code[:2] in _CONDITION_CLASSES or code in _CONDITION_CODES


class _Connection(asyncpg.Connection):
    """Comes back to the pool as it is: we change no state of a session, and resetting it would cost a round trip."""

    def get_reset_query(self) -> str:
        """Nothing. A transaction that was left open is rolled back by the pool itself."""
        return ""


async def open_pool(dsn: str, *, connections: int, start_timeout: float) -> Pool:
    """A pool on a database that answers, for which it waits `start_timeout` seconds. NotReadyError after that."""
    deadline = asyncio.get_running_loop().time() + start_timeout
    told = False
    while True:
        try:
            return await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections,
                timeout=CONNECT_TIMEOUT,
                command_timeout=STATEMENT_TIMEOUT,
                connection_class=_Connection,
                server_settings={
                    "application_name": "amas-audit",
                    "synchronous_commit": "on",
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                    "transaction_timeout": str(TRANSACTION_MS),
                    # Everything is found by a key. A plan that was kept while a table was small must not read it whole
                    # when it is large.
                    "enable_seqscan": "off",
                    "enable_hashjoin": "off",
                },
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
                raise NotReadyError("the database refused the audit service's role or password") from error
            if asyncio.get_running_loop().time() >= deadline:
                raise NotReadyError(f"the database did not answer within {start_timeout:g} s") from error
            if not told:
                # Its type alone: an error's text may hold what it was asked.
                _LOG.warning("waiting for the database", extra={"why": type(error).__name__, "seconds": start_timeout})
            told = True
        await asyncio.sleep(START_PAUSE)
