"""Keeps this executor's lease, takes over what dead executors left, and reminds: the background work of the process.

Losing the lease ends the process: whoever declared it dead has its runs, and a new process begins with a clean slate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_orchestrator.ports import ExecutorStore

from .step_gate import StepGate

_log = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 5
"""A lease is renewed after this part of it, so that some renewals may fail."""


class LeaseLostError(Exception):
    """Another executor has declared this one dead."""


class Sweep(Protocol):
    """Takes over runs; `only_released` where it is too early to call anybody dead."""

    async def __call__(self, executor_id: str, lease_seconds: float, *, only_released: bool) -> int: ...


class Lease:
    """The lease of one process. The executor's id is new for each."""

    def __init__(
        self, store: ExecutorStore, gate: StepGate, clock: Clock, executor_id: str, lease_seconds: float
    ) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock
        self.executor_id = executor_id
        self._seconds = lease_seconds
        self._held_since = clock.monotonic()

    async def register(self) -> None:
        """Begins the lease; nothing may run before."""
        asked = self._clock.monotonic()
        await self._store.register(self.executor_id, self._seconds)
        self._gate.renewed(asked, self._seconds)
        self._held_since = asked

    async def keep(self) -> None:
        """Renews for ever. Raises LeaseLostError when this executor was declared dead."""
        pause = self._seconds / RENEWALS_PER_LEASE
        while True:
            await asyncio.sleep(pause)
            asked = self._clock.monotonic()
            try:
                renewed = await self._store.renew(self.executor_id, self._seconds)
            except AmasError as error:
                _log.warning("the lease could not be renewed", extra={"reason": error.reason})
                # After a gap nobody is called dead before all had the time to renew.
                self._held_since = self._clock.monotonic()
                continue
            if not renewed:
                raise LeaseLostError("the lease was lost: another executor goes on with the runs")
            if self._clock.monotonic() - asked > self._seconds:
                self._held_since = self._clock.monotonic()
            self._gate.renewed(asked, self._seconds)

    async def take_over(self, sweep: Sweep) -> None:
        """Looks for dead executors for ever."""
        pause = self._seconds / RENEWALS_PER_LEASE
        while True:
            settled = self._clock.monotonic() - self._held_since >= self._seconds
            try:
                if self._gate.is_open:
                    await sweep(self.executor_id, self._seconds, only_released=not settled)
            except AmasError as error:
                _log.warning("taking over failed, trying again", extra={"reason": error.reason})
            except Exception:
                _log.exception("taking over failed, trying again")
            await asyncio.sleep(pause)

    async def release(self) -> None:
        """Gives the lease back, so that others go on at once."""
        try:
            await self._store.release(self.executor_id)
        except AmasError as error:
            _log.warning("the lease could not be released and will run out", extra={"reason": error.reason})


async def repeat(what: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Does something every few seconds for ever; a failure is logged and tried again."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except AmasError as error:
            _log.warning("background work failed", extra={"work": what, "reason": error.reason})
        except Exception:
            _log.exception("background work failed", extra={"work": what})
