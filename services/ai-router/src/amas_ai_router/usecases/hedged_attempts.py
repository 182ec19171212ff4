"""Races a slow target with a second one: the first good result wins, and the other attempt is cancelled at once.

Nothing is left over: a loser that was cancelled ends by itself, and a result that came too late is billed and given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from amas_chassis.clock import Clock

from amas_ai_router.telemetry import RouterTelemetry

from .attempts import Attempts
from .course import Choice, Course, Won

T = TypeVar("T")
# How long draining waits for losers to end, in seconds.
DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Racer(Generic[T]):
    choice: Choice
    task: asyncio.Task[Won[T] | None]

    def won(self) -> bool:
        """Whether it has a good result."""
        return self.task.done() and not self.task.cancelled() and not self.task.exception() and bool(self.task.result())


class HedgedAttempts:
    """Races of at most two."""

    def __init__(self, attempts: Attempts, telemetry: RouterTelemetry, clock: Clock) -> None:
        self._attempts = attempts
        self._telemetry = telemetry
        self._clock = clock
        self._leaving: set[asyncio.Task[Any]] = set()

    async def make(
        self, course: Course[T], choice: Choice, delay: float, second: Callable[[], Choice | None]
    ) -> Won[T] | None:
        """As Attempts.make; after `delay` seconds without a result the choice of `second` runs beside."""
        begun = self._clock.monotonic()
        racers = [self._start(course, choice)]
        winner: _Racer[T] | None = None
        try:
            await asyncio.wait((racers[0].task,), timeout=delay)
            if not racers[0].task.done() and (other := second()) is not None:
                course.hedged = True
                racers.append(self._start(course, other))
            winner = await _first_good(racers)
            if len(racers) == 2:
                self._decided(course, racers, winner, self._clock.monotonic() - begun)
            return winner.task.result() if winner is not None else None
        finally:
            for racer in racers:
                if racer is not winner:
                    self._drop(course, racer)

    async def drain(self) -> None:
        """Waits, bounded, for losers under way."""
        if self._leaving:
            await asyncio.wait(set(self._leaving), timeout=DRAIN_SECONDS)

    def _decided(self, course: Course[T], racers: list[_Racer[T]], winner: _Racer[T] | None, seconds: float) -> None:
        first, hedge = racers
        self._telemetry.hedged(hedge.choice.target.name, won=winner is hedge)
        if winner is hedge and not first.task.done():
            self._attempts.outpaced(course, first.choice, seconds)

    def _start(self, course: Course[T], choice: Choice) -> _Racer[T]:
        return _Racer(choice, asyncio.ensure_future(self._attempts.make(course, choice)))

    def _drop(self, course: Course[T], racer: _Racer[T]) -> None:
        if racer.task.done():
            self._left(course, racer)
            return
        self._leaving.add(racer.task)
        racer.task.add_done_callback(lambda _: self._left(course, racer))
        racer.task.cancel()

    def _left(self, course: Course[T], racer: _Racer[T]) -> None:
        self._leaving.discard(racer.task)
        # A task that is cancelled before its first step never gets to its permit.
        racer.choice.permit.abandoned()
        if not racer.won():
            return
        won = racer.task.result()
        if won is not None:
            self._attempts.unwanted(course, won)
            self._spawn(course.asking.discard(won.result))

    def _spawn(self, discarding: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(discarding)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _first_good(racers: list[_Racer[T]]) -> _Racer[T] | None:
    """The first racer with a good result; the first target's if both have one.

    Raises what the first target raised. What the hedge raised counts only if the first target gives no result: it may
    well refuse what the first one takes.
    """
    pending = {racer.task for racer in racers}
    while pending:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if racers[0].task.done():
            racers[0].task.result()
        for racer in racers:
            if racer.won():
                return racer
    racers[-1].task.result()
    return None
