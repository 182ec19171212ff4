"""Holds requests while no orchestrator answers, as when it was scaled to zero and is being woken (ADR 0044).

Whoever finds nobody waits until the background look finds somebody, and asks again. Nothing here polls, so that many
who wait cost no more than one. How long and how many is bounded; it must never hold a request beyond its own deadline
or its client's going, nor repeat one that a service answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from amas_chassis import deadlines
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_gateway.domain import presence
from amas_gateway.telemetry import Instruments

from .upstream import AWAY, away

SERVICE = "orchestrator"
# What a caller who is not held any longer is told (seconds): about what an orchestrator takes to start.
RETRY_AFTER_SECONDS = 10.0

ResultT = TypeVar("ResultT")


class Hold:
    """The requests of one process that wait for an orchestrator. Use it from one event loop."""

    def __init__(self, instruments: Instruments, clock: Clock, *, seconds: float, most: int) -> None:
        """`seconds` is how long a request is held at most (0: not at all).

        `most` is how many are at once; half of the places, if there is more than one, are the most for one tenant.
        """
        self._instruments = instruments
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._most_of_tenant = max(1, most // 2)
        self._held: Counter[str] = Counter()
        self._away = False
        self._came = asyncio.Event()
        self._heard_of = False
        self._ended = False
        # A gateway that never heard of an orchestrator is not ready, so that nobody can ask it to wake one.
        instruments.orchestrator_wanted.inc()

    async def __call__(self, tenant: str, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """What `ask` answers; asked again whenever an orchestrator came, as long as it finds nobody.

        `ask` must be safe to repeat. Raises what it raises; UPSTREAM_UNAVAILABLE once it was held for long enough, or
        if too many are held already, or too many of this tenant.
        """
        with self.wanted():
            if not (self._seconds and self._away):
                try:
                    return await ask()
                except AmasError as error:
                    if error.reason != AWAY or not self._seconds:
                        raise
            return await self._later(tenant, ask)

    def needed(self) -> None:
        """A request needs an orchestrator, be it only to know that its principal is not revoked."""
        self._instruments.orchestrator_needed.inc()

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Somebody wants an orchestrator as long as this lasts."""
        self.needed()
        with self._instruments.orchestrator_wanted.track_inprogress():
            yield

    def came(self) -> None:
        """An orchestrator answered: all that are held ask again."""
        self._away = False
        if not self._heard_of:
            self._heard_of = True
            self._instruments.orchestrator_wanted.dec()
        self._wake()

    def left(self) -> None:
        """Nobody answered: until somebody does, requests are held without asking first."""
        self._away = True

    async def end(self) -> None:
        """This process ends: who is held is told so now, for the drain may be shorter than the hold."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        waking, self._came = self._came, asyncio.Event()
        waking.set()

    async def _later(self, tenant: str, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        if self._ended or self._held.total() >= self._most or self._held[tenant] >= self._most_of_tenant:
            self._instruments.held_ended.labels("refused").inc()
            raise away(SERVICE, RETRY_AFTER_SECONDS)
        self._held[tenant] += 1
        outcome = "left"
        try:
            with self._instruments.held.track_inprogress():
                answer = await self._asked_again(ask)
            outcome = "answered"
            return answer
        except AmasError as error:
            outcome = "expired" if error.reason == AWAY else "answered"
            raise
        finally:
            self._held -= Counter((tenant,))
            self._instruments.held_ended.labels(outcome).inc()

    async def _asked_again(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        own = deadlines.remaining()
        until = self._clock.monotonic() + (self._seconds if own is None else min(self._seconds, own))
        while not self._ended:
            left = until - self._clock.monotonic()
            try:
                async with asyncio.timeout(max(0.0, left)), presence.while_there():
                    await self._came.wait()
            except TimeoutError:
                break
            if self._ended:
                break
            try:
                return await ask()
            except AmasError as error:
                if error.reason != AWAY:
                    raise
        raise away(SERVICE, RETRY_AFTER_SECONDS)
