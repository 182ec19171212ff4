"""A log of a few entries with a partition that is full: the database's partitions are of a million."""

from __future__ import annotations

from typing import Protocol

OWNER = "amas_audit_owner"
FIRST = "entry_000000000000000"


class Connection(Protocol):
    """What is needed of asyncpg's."""

    async def execute(self, query: str) -> str: ...

    async def fetchval(self, query: str, *arguments: object) -> object: ...


async def is_cut(connection: Connection) -> bool:
    """Whether this has been done to a log, in whatever state it is now."""
    return bool(
        await connection.fetchval("SELECT EXISTS (SELECT FROM audit.partitions() WHERE past - first < 1 << 20)")
    )


async def cut(connection: Connection, entries: int) -> None:
    """Cut the first partition in two, behind so many entries (a multiple of 256); as the owner or who may become it.

    Only where rows are kept changes: nothing is added, changed or left out, and writers wait for a moment.
    """
    past = await connection.fetchval("SELECT past FROM audit.partitions() WHERE name = $1", FIRST)
    assert isinstance(past, int)
    await connection.execute(
        f"""
        BEGIN;
        SET LOCAL ROLE {OWNER};
        LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE;
        ALTER TABLE audit.entry DETACH PARTITION audit.{FIRST};
        ALTER TABLE audit.{FIRST} RENAME TO entry_uncut;
        SELECT audit.make_partition({entries});
        SELECT audit.make_partition({past - entries});
        INSERT INTO audit.entry SELECT * FROM audit.entry_uncut;
        DROP TABLE audit.entry_uncut;
        COMMIT
        """  # noqa: S608 -- numbers and constants
    )
