"""Room for what is appended: partitions of the entries, made ahead.

The service's role cannot make a table. It asks a function of the owner's, which makes the next partition and no other.
"""

from __future__ import annotations

from collections.abc import Sequence

from amas_audit.adapters.group_commit import MAX_GROUP_EVENTS
from amas_audit.adapters.postgres_dropped import dropped_entries
from amas_audit.adapters.postgres_pool import Pool, unavailable_when_away
from amas_audit.domain.model import DroppedEntries

# Entries of room below which the next partition is asked for.
LEAST_ROOM = 64 * MAX_GROUP_EVENTS

_PAST = "SELECT coalesce(max(past), 0) FROM audit.partitions()"
_CLOSED = "SELECT first, past FROM audit.partitions() WHERE past <= $1 ORDER BY first"
# The head over its last entry was signed with it, by the database's clock. That may have stepped back since: what comes
# after a partition is no older than it.
_AGED = """
SELECT first, past FROM (
  SELECT p.first, p.past, max((
    SELECT c.signed_at FROM audit.checkpoint c WHERE c.size >= p.past ORDER BY c.size LIMIT 1
  )) OVER (ORDER BY p.first) AS filled
  FROM audit.partitions() p WHERE p.past <= $1
) AS closed
WHERE filled + make_interval(days => $2) <= now() ORDER BY first
"""
_ADD = "SELECT audit.add_partition()"


class Partitions:
    """How far the partitions reach, as it was last seen; they never become fewer at that end."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._past = 0

    async def closed(self, size: int) -> Sequence[tuple[int, int]]:
        """Bounds of the partitions that a log of `size` entries has filled. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            return [(row["first"], row["past"]) for row in await self._pool.fetch(_CLOSED, size)]

    async def aged(self, size: int, days: int) -> Sequence[tuple[int, int]]:
        """Those of them that were filled `days` ago or earlier. AmasError LOG_UNAVAILABLE."""
        with unavailable_when_away():
            return [(row["first"], row["past"]) for row in await self._pool.fetch(_AGED, size, days)]

    async def dropped(self) -> DroppedEntries:
        """What is in the archive alone. AmasError LOG_UNAVAILABLE."""
        return await dropped_entries(self._pool)

    async def make_room(self, size: int) -> None:
        """See to it that a log of `size` entries can grow. Asks the database only when room becomes scarce."""
        if size + LEAST_ROOM < self._past:
            return
        self._past = await self._pool.fetchval(_PAST)
        while size + LEAST_ROOM >= self._past:
            past = await self._pool.fetchval(_ADD)
            if past == self._past:
                return
            self._past = past
