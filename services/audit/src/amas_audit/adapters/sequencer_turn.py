"""One turn as the sequencer: a transaction that holds the log's lock, and that has ended when the turn has.

Begun here and not by `connection.transaction()`, with which it must not be mixed, since an append waits for each round
trip to the database: here BEGIN and the lock take one. It must never leave a transaction open, whatever happens in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from amas_audit.adapters.postgres_pool import Connection
from amas_audit.domain.errors import log_unavailable

# Key of the sequencer's advisory lock in this database: the bytes "amas-aud".
SEQUENCER_LOCK = 0x616D61732D617564

_BEGIN = "; ".join(
    (
        # Whatever the role's default is, each statement must see what was committed before it began: those after the
        # lock see what its last holder wrote.
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        # To plan a statement anew takes longer than to run it. A plan that is kept must do for any size of the tables,
        # also one that was made while they were empty.
        "SET LOCAL plan_cache_mode = force_generic_plan",
        "SET LOCAL enable_seqscan = off",
        f"SELECT pg_advisory_xact_lock({SEQUENCER_LOCK})",
    )
)
_COMMIT = "COMMIT"


@asynccontextmanager
async def sequencer_turn(connection: Connection) -> AsyncIterator[None]:
    """Be the sequencer; commits at the end, rolls back if the block raises or is cancelled.

    When it is cancelled within the COMMIT, nobody knows whether that took place. AmasError LOG_UNAVAILABLE if the
    database made a rollback of it, or committed and did not wait for its replica.
    """
    try:
        await connection.execute(_BEGIN)
        yield
        await _commit(connection)
    except BaseException:
        await _roll_back(connection)
        raise


async def _commit(connection: Connection) -> None:
    warnings: list[asyncpg.PostgresLogMessage] = []

    def told(_: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.severity_en == "WARNING":
            warnings.append(message)

    connection.add_log_listener(told)
    try:
        # A transaction in which a statement has failed is rolled back by COMMIT, without an error; one whose wait for a
        # synchronous replica was cut short by an operator is committed here alone, with a warning.
        if await connection.execute(_COMMIT) != _COMMIT or warnings:
            raise log_unavailable()
    finally:
        connection.remove_log_listener(told)


async def _roll_back(connection: Connection) -> None:
    """Roll back, also where nothing was begun. The caller must see what was raised before, not a failure here."""
    try:
        await connection.execute("ROLLBACK")
    except BaseException as error:
        # The database rolls back what a lost connection left open; the pool opens another. It may know of it already.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
        if not isinstance(error, Exception):
            raise
