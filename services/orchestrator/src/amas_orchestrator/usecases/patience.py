"""Waiting for a dependency that is away: asks again, slower each time, until a deadline or a cancellation.

A run must not fail because a service restarts. What is asked must be idempotent, which all of it is by its key.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_orchestrator.domain.errors import FENCED, OwnershipLost, is_retryable
from amas_orchestrator.domain.signals import CancelSignal
from amas_orchestrator.ports import Metrics

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
RECORDING_LIMIT = timedelta(hours=24)
"""How long a run waits for audit or its own database where giving up would lose the record; an operator's matter."""


class Sleeper(Protocol):
    """Pauses; tests give one that does not."""

    def __call__(self, delay: float, /) -> Awaitable[None]: ...


class Cancelled(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The run is to be cancelled."""


class OutOfTime(Exception):  # noqa: N818 - a bound of the step, not an error
    """The deadline passed while waiting; `last` is what the dependency said."""

    def __init__(self, last: AmasError | None) -> None:
        super().__init__(str(last))
        self.last = last


class Patience:
    """Asks until there is an answer."""

    def __init__(self, clock: Clock, metrics: Metrics, sleep: Sleeper = asyncio.sleep) -> None:
        self._clock = clock
        self._metrics = metrics
        self._sleep = sleep

    async def ask(
        self,
        dependency: str,
        call: Callable[[], Awaitable[_T]],
        *,
        until: datetime,
        cancel: CancelSignal | None = None,
        stubborn: bool = False,
    ) -> _T:
        """The answer of `call`; raises Cancelled, OutOfTime, OwnershipLost, or AmasError that waiting cannot mend.

        With `stubborn` any refusal is waited out, because going on without an answer is not allowed.
        """
        pause = FIRST_PAUSE_SECONDS
        last: AmasError | None = None
        while True:
            left = (until - self._clock.now()).total_seconds()
            if left <= 0:
                raise OutOfTime(last)
            try:
                return await self._bounded(call, left, cancel)
            except AmasError as error:
                if error.reason == FENCED:
                    raise OwnershipLost(str(error)) from error
                if not (stubborn or is_retryable(error)):
                    raise
                last = error
            except TimeoutError:
                raise OutOfTime(last) from None
            self._metrics.waited_for(dependency)
            _log.warning(
                "a dependency is away, asking again",
                extra={"dependency": dependency, "reason": last.reason, "pause": pause},
            )
            wanted = max(pause, last.retry_after or 0.0) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
            await self._interruptible(self._sleep(min(wanted, left)), cancel)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def record(self, dependency: str, call: Callable[[], Awaitable[_T]], *, stubborn: bool = False) -> _T:
        """The same for what must not be given up: the record. Neither cancellation nor a step's deadline stops it."""
        try:
            return await self.ask(dependency, call, until=self._clock.now() + RECORDING_LIMIT, stubborn=stubborn)
        except OutOfTime as late:
            if late.last is not None:
                raise late.last from late
            raise

    async def _bounded(self, call: Callable[[], Awaitable[_T]], seconds: float, cancel: CancelSignal | None) -> _T:
        async with asyncio.timeout(seconds):
            return await self._interruptible(call(), cancel)

    async def _interruptible(self, work: Awaitable[_T], cancel: CancelSignal | None) -> _T:
        if cancel is None:
            return await work
        if cancel.is_set():
            _close(work)
            raise Cancelled
        task = asyncio.ensure_future(work)
        with cancel.calling(task.cancel):
            try:
                return await task
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if cancel.is_set() and not (current and current.cancelling()):
                    raise Cancelled from None
                raise


def _close(work: Awaitable[object]) -> None:
    close = getattr(work, "close", None)
    if close is not None:
        close()
