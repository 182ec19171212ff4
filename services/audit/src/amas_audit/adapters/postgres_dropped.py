"""Which entries are in the archive alone, and the way to drop more of them: a function that one role may call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
from amas_chassis.errors import AmasError

from amas_audit.adapters.postgres_pool import Connection, Pool, unavailable_when_away
from amas_audit.domain.errors import NotReadyError
from amas_audit.domain.model import DroppedEntries
from amas_audit.domain.tiles import TILE_WIDTH

# A query under way holds the partitions for 5 s at most; between two tries appends go on.
TRIES = 6
PAUSE = 1.0

_NEWEST = "SELECT past, location FROM audit.dropped ORDER BY past DESC LIMIT 1"
_OWNERS = "SELECT tenant, entries FROM audit.owners($1, $2)"
_DROP = "SELECT audit.drop_partition($1, $2, $3, $4, $5)"


async def dropped_entries(asked: Connection | Pool) -> DroppedEntries:
    """What was dropped so far: all that is before its end. AmasError LOG_UNAVAILABLE."""
    with unavailable_when_away():
        row = await asked.fetchrow(_NEWEST)
    return DroppedEntries() if row is None else DroppedEntries(row["past"], row["location"])


class BlockOwners:
    """`ports.EntryOwners` for whole blocks, out of the index: also of entries that were dropped."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tenants(self, start: int, end: int) -> Mapping[str, int]:
        """Tenants with entries in [start, end), and how many; both are bounds of full blocks. AmasError."""
        with unavailable_when_away():
            rows = await self._pool.fetch(_OWNERS, start // TILE_WIDTH, end // TILE_WIDTH)
        return {row["tenant"]: row["entries"] for row in rows}


class PostgresDropper:
    """`ports.Dropper`. Its pool is that of the dropping role."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def drop(self, first: int, past: int, *, root: bytes, location: str, event_id: str) -> None:
        """Drop the oldest partition. NotReadyError if the database refuses; AmasError LOG_UNAVAILABLE."""
        for left in reversed(range(TRIES)):
            try:
                with unavailable_when_away():
                    await self._pool.execute(_DROP, first, past, root, location, event_id)
                return
            except AmasError:
                if not left:
                    raise
                await asyncio.sleep(PAUSE)
            except (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.InsufficientPrivilegeError) as error:
                raise NotReadyError(f"entries {first} to {past - 1} were not dropped: {error}") from error
