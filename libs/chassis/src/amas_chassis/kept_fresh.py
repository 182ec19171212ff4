"""A value that is read ahead of those who need it, and never believed for longer than a lease.

A background task reads it again and again, so that whoever asks finds it in memory. Where that task came too late (a
busy machine, a store that was away), whoever asks reads it himself. It must never answer a value that is older than the
lease: when it cannot be read, the error of the reading is the answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .clock import Clock
from .errors import AmasError

__all__ = ["KeptFresh"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T
    read_at: float


class KeptFresh(Generic[T]):
    """`read` is asked every `interval` seconds by `run`; its answer is believed for `lease` seconds from the question.

    `read` bounds its own time. Use it from one event loop.
    """

    def __init__(
        self, what: str, read: Callable[[], Awaitable[T]], clock: Clock, *, interval: float, lease: float
    ) -> None:
        self._what = what
        self._read = read
        self._clock = clock
        self._interval = interval
        self._lease = lease
        self._kept: _Kept[T] | None = None
        self._reading = asyncio.Lock()
        # Readings that callers began, and the last of them that failed, with its error.
        self._begun = 0
        self._failed: tuple[int, Exception] | None = None
        self._failing = False

    @property
    def at_hand(self) -> T | None:
        """The value, if it can still be believed; costs nothing."""
        kept = self._kept
        return None if kept is None or self._clock.monotonic() - kept.read_at >= self._lease else kept.value

    @property
    def last(self) -> T | None:
        """The value that was read last, however old."""
        return None if self._kept is None else self._kept.value

    async def get(self) -> T:
        """The value, read now only if the one at hand is too old; raises what `read` raises.

        A reading that began after the question answers it, also where it fails: who waits in line does not read again.
        """
        value = self.at_hand
        if value is not None:
            return value
        begun = self._begun
        async with self._reading:
            value = self.at_hand
            if value is not None:
                return value
            if self._failed is not None and self._failed[0] > begun:
                raise self._failed[1]
            self._begun += 1
            try:
                return await self.read_now()
            except Exception as error:
                self._failed = self._begun, error
                raise

    async def check(self) -> None:
        """Raises until the value was read once: for readiness, which must not hang on the source after that."""
        if self._kept is None:
            await self.get()

    async def read_now(self) -> T:
        """The value as it is now: what is at hand is no older than this question afterwards."""
        asked = self._clock.monotonic()
        value = await self._read()
        self._failed = None
        if self._kept is None or asked >= self._kept.read_at:
            self._kept = _Kept(value, asked)
        return value

    async def run(self) -> None:
        """Reads for ever; a failure is logged once until the value can be read again."""
        while True:
            try:
                await self.read_now()
                self._failing = False
            except AmasError as error:
                self._note(error.reason)
            except Exception:
                if not self._failing:
                    _log.exception("reading failed", extra={"what": self._what})
                self._failing = True
            await asyncio.sleep(self._interval)

    def _note(self, reason: str) -> None:
        if not self._failing:
            _log.warning("cannot be read at the moment", extra={"what": self._what, "reason": reason})
        self._failing = True
