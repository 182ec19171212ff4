"""What is to be told to another service without waiting for it: kept in order, in memory, until that service has it.

For news that is no condition of anything; what is one must be awaited instead. It must never lose an item without a
line in the log and a count, never grow beyond its bound, and never give up while the other side may come back. It does
not outlive its process: what still waits when a drain's time is up, or when the process is killed, is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from .errors import AmasError, ErrorKind

__all__ = ["Outbox", "OutboxTelemetry"]

# Items that wait at most, and the share of it from which on new work is refused: calls under way may still add theirs.
MOST_WAITING = 4_096
ROOM_SHARE = 0.75
MOST_IN_BATCH = 128
# Seconds before another try, doubling from the first to the last.
FIRST_PAUSE = 0.1
LAST_PAUSE = 5.0

# What passes.
_LATER = frozenset(
    {
        ErrorKind.UNAVAILABLE,
        ErrorKind.DEADLINE_EXCEEDED,
        ErrorKind.RESOURCE_EXHAUSTED,
        ErrorKind.ABORTED,
    }
)
_log = logging.getLogger(__name__)

ItemT = TypeVar("ItemT")


class OutboxTelemetry(Protocol):
    """What an outbox tells about itself."""

    def outbox_waiting(self, items: int) -> None:
        """So many wait."""
        ...

    def outbox_lost(self, reason: str, items: int) -> None:
        """So many will never be told: `full`, `refused` by the other side, or `exit` of the process."""
        ...


class Outbox(Generic[ItemT]):
    """`send` takes a batch whole or raises AmasError; it may be given an item twice. `run` is a background task."""

    def __init__(
        self,
        what: str,
        send: Callable[[Sequence[ItemT]], Awaitable[None]],
        telemetry: OutboxTelemetry,
        *,
        most: int = MOST_WAITING,
    ) -> None:
        self._what = what
        self._send = send
        self._telemetry = telemetry
        self._most = most
        self._waiting: deque[ItemT] = deque()
        self._filled = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether new work that may put something here can be taken on."""
        return len(self._waiting) < self._most * ROOM_SHARE

    def check_room(self) -> None:
        """Raise UNAVAILABLE, reason OUTBOX_FULL, if new work must wait until the other side has caught up."""
        if not self.has_room:
            raise AmasError(
                ErrorKind.UNAVAILABLE, "OUTBOX_FULL", f"too many {self._what} wait to be taken", retry_after=1.0
            )

    def put(self, item: ItemT) -> bool:
        """Keep an item and return at once; False if there was no room, and then it is counted as lost."""
        if len(self._waiting) >= self._most:
            self._lose("full", 1)
            return False
        self._waiting.append(item)
        self._filled.set()
        self._telemetry.outbox_waiting(len(self._waiting))
        return True

    async def run(self) -> None:
        """Send for the life of the service."""
        while True:
            await self._filled.wait()
            await self._drain()
            self._filled.clear()

    async def close(self, seconds: float) -> None:
        """Send what still waits, within `seconds`. Called once `run` has been cancelled."""
        try:
            async with asyncio.timeout(seconds):
                await self._drain()
        except TimeoutError:
            self._lose("exit", len(self._waiting))
            self._waiting.clear()

    async def _drain(self) -> None:
        pause = FIRST_PAUSE
        while self._waiting:
            batch = [self._waiting[at] for at in range(min(MOST_IN_BATCH, len(self._waiting)))]
            try:
                await self._deliver(batch)
            except AmasError as error:
                _log.warning("%s wait: %s", self._what, error.reason, extra={"waiting": len(self._waiting)})
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
                pause = min(2 * pause, LAST_PAUSE)
            else:
                pause = FIRST_PAUSE

    async def _deliver(self, batch: Sequence[ItemT]) -> None:
        """Send a batch, or where it is refused each item alone; raises what may pass. Nothing leaves before its end."""
        try:
            await self._send(batch)
        except AmasError as error:
            if error.kind in _LATER:
                raise
            if len(batch) > 1:
                for item in batch:
                    await self._deliver([item])
                return
            self._lose("refused", 1, error.reason)
        for _ in batch:
            self._waiting.popleft()
        self._telemetry.outbox_waiting(len(self._waiting))

    def _lose(self, reason: str, items: int, why: str = "") -> None:
        _log.error("%s are lost", self._what, extra={"reason": reason, "items": items, "refusal": why})
        self._telemetry.outbox_lost(reason, items)
