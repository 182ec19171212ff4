"""Points of an append at which a test can end, stop or hold up the process; only test programs import this.

The service has no switch for them: a test program wraps the pool and the key that it wires the service's own classes
with, and what is wrapped tells each statement's beginning, sending and end. It must never change what is asked or
answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from amas_audit.domain.signed_note import NoteSigner

# Statement by statement: before it, once it is sent and not answered, once it is answered.
STATEMENTS = ("begin", "read", "write", "commit")
MOMENTS = ("before", "sent", "after")
POINTS = (
    *(f"{statement}.{moment}" for statement in STATEMENTS for moment in MOMENTS),
    "sign.before",
    "sign.after",
    # The group is on disk and nobody has been told; one append is told; it has been told.
    "told.before",
    "acknowledge.before",
    "acknowledge.after",
)

Reached = Callable[[str], None]


class TrippedPool:
    """A pool whose connections tell the points. Everything else is the pool's own."""

    def __init__(self, pool: Any, reached: Reached) -> None:
        self._pool = pool
        self._reached = reached

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """A connection that tells."""
        async with self._pool.acquire() as connection:
            yield _TrippedConnection(connection, self._reached)


class _TrippedConnection:
    def __init__(self, connection: Any, reached: Reached) -> None:
        self._connection = connection
        self._reached = reached

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *arguments: Any) -> Any:
        word = query.split(maxsplit=1)[0].rstrip(";").lower()
        name = word if word in ("begin", "commit", "rollback") else "write"
        return await self._told(name, self._connection.execute(query, *arguments))

    async def fetch(self, query: str, *arguments: Any) -> Any:
        return await self._told("read", self._connection.fetch(query, *arguments))

    async def _told(self, name: str, statement: Awaitable[Any]) -> Any:
        self._reached(f"{name}.before")
        under_way = asyncio.ensure_future(statement)
        try:
            # One turn of the loop: the driver hands the message to the kernel in the first step of the call.
            await asyncio.sleep(0)
            self._reached(f"{name}.sent")
        finally:
            answer = await under_way
        self._reached(f"{name}.after")
        return answer


class TrippedSigner(NoteSigner):
    """A key that tells when it signs."""

    def trip(self, reached: Reached) -> TrippedSigner:
        """Tell these points from now on."""
        self._reached = reached
        return self

    def sign(self, body: str) -> str:
        """The note, as the key's own."""
        self._reached("sign.before")
        note = super().sign(body)
        self._reached("sign.after")
        return note


class Tripwire:
    """Calls `then` when a point is reached for the `nth` time; each point that is reached is noted."""

    def __init__(self, point: str, nth: int, then: Callable[[], None]) -> None:
        self._point = point
        self._left = nth
        self._then = then
        self.seen: set[str] = set()

    def reached(self, point: str) -> None:
        """A point of an append."""
        self.seen.add(point)
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                self._then()


def reached_by_all(*reached: Reached) -> Reached:
    """Tells several."""

    def tell(point: str) -> None:
        for one in reached:
            one(point)

    return tell


def check_points(points: Sequence[str]) -> None:
    """ValueError for a point that no append has."""
    unknown = [point for point in points if point not in POINTS]
    if unknown:
        raise ValueError(f"no append has the point {', '.join(unknown)}")
