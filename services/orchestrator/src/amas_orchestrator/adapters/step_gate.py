"""The gate before every durable step: closed while this executor's lease is not surely held, and for good on a drain.

An executor that was stopped, taken over and woken again finds the gate closed before it does anything further. Closing
it never cuts a step that has begun; that is what fencing tokens are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from amas_chassis.clock import Clock


class StepGate:
    """Opened by each renewal of the lease, for as long as the lease lasts by our own clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open_until = 0.0
        self._renewed = asyncio.Event()
        self._draining = False
        self._bodies = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def renewed(self, asked_at: float, lease_seconds: float) -> None:
        """The lease was renewed by a request sent at `asked_at` (monotonic seconds)."""
        self._open_until = asked_at + lease_seconds
        self._renewed.set()

    def drain(self) -> None:
        """Nothing begins from now on."""
        self._draining = True

    @property
    def is_open(self) -> bool:
        """Whether a step may begin now."""
        return not self._draining and self._clock.monotonic() < self._open_until

    async def enter(self) -> None:
        """Waits until a step may begin: at worst for ever, and then the process is about to end."""
        while not self.is_open:
            if self._draining:
                await asyncio.Event().wait()
            self._renewed.clear()
            await self._renewed.wait()

    @contextmanager
    def body(self) -> Iterator[None]:
        """Counts a body that runs, so that a drain can wait for it."""
        self._bodies += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._bodies -= 1
            if not self._bodies:
                self._idle.set()

    async def idle(self) -> None:
        """Waits until no body runs."""
        await self._idle.wait()
