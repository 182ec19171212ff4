"""Which target of a route is asked when, and how often: order, breakers, failover, hedges, retries, time.

The first pass asks each target once, one after the other. Only then those that may be asked again are, after a wait and
under the route's retry budget: another target is the better retry. No attempt ever begins when no time is left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from amas_chassis import deadlines
from amas_chassis.clock import Clock

from amas_ai_router.domain.backoff import wait_before
from amas_ai_router.domain.breaker import Breaker, Breakers, State
from amas_ai_router.domain.hedging import hedge_delay
from amas_ai_router.domain.latency import LatencyBook
from amas_ai_router.domain.model import Target
from amas_ai_router.domain.retry_budget import RetryBudgets
from amas_ai_router.domain.selection import order, sticky_order
from amas_ai_router.domain.sticky import StickyRuns
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission
from .attempts import Attempts, Billing
from .course import CIRCUIT_OPEN, Asking, Choice, Course, Won
from .hedged_attempts import HedgedAttempts

T = TypeVar("T")


class AskInTurn:
    """The engine of all calls, whole or streamed; what it learns about targets is shared by them."""

    def __init__(
        self,
        bill: Billing,
        telemetry: RouterTelemetry,
        clock: Clock,
        random: Random,
        remaining: Callable[[], float | None] = deadlines.remaining,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._random = random
        self._remaining = remaining
        self._latencies = LatencyBook()
        self._breakers = Breakers(random, self._breaker_changed)
        self._budgets = RetryBudgets()
        self._sticky = StickyRuns()
        self._attempts = Attempts(bill, self._latencies, telemetry, clock)
        self._hedged = HedgedAttempts(self._attempts, telemetry, clock)

    async def run(
        self, admission: Admission, fields: dict[str, Any], asking: Asking[T], failovers: list[str]
    ) -> tuple[Won[T], Course[T]]:
        """The first good result; `failovers` grows by an entry for each target that gave none.

        Raises ModelCallError once a provider was asked; before that what the budgets say, or UNAVAILABLE if all
        targets rest and are probed.
        """
        begun, left_before = self._clock.monotonic(), len(failovers)
        course = self._course(admission, fields, asking, failovers)
        won = await self._first_pass(course)
        if won is None:
            won = await self._again(course)
        if won is None:
            raise course.error(self._clock.monotonic()) from course.last
        if len(failovers) > left_before:
            self._telemetry.failover_took(won.begun - begun)
        if admission.route.spec.sticky and admission.context.run_id:
            self._stay(course, won.target)
        return won, course

    async def drain(self) -> None:
        """Waits, bounded, for attempts that were cancelled."""
        await self._hedged.drain()

    def _course(
        self, admission: Admission, fields: dict[str, Any], asking: Asking[T], failovers: list[str]
    ) -> Course[T]:
        now, route = self._clock.monotonic(), admission.route
        total, left = route.spec.timeout.total, self._remaining()
        callers = left is not None and left < total
        budget = self._budgets.of(admission.context.bundle, route.name, now)
        budget.call(route.spec.retry.budget, now)
        return Course(
            admission=admission,
            fields=fields,
            asking=asking,
            failovers=failovers,
            deadline=now + (total if left is None else min(total, left)),
            callers_deadline=callers,
            budget=budget,
            waiting=deque(self._order(admission, asking.kind, now)),
        )

    def _order(self, admission: Admission, kind: str, now: float) -> tuple[Target, ...]:
        route, context = admission.route, admission.context
        if not route.spec.sticky or not context.run_id:
            return order(route, kind, self._latencies, self._random, now)
        stays = self._sticky.target(context, route.name)
        run = f"{context.principal.tenant}\0{context.run_id}"
        return sticky_order(route, kind, self._latencies, run, stays, now)

    async def _first_pass(self, course: Course[T]) -> Won[T] | None:
        while not course.out_of_time(self._clock.monotonic()) and (choice := self._choose(course)) is not None:
            won = await self._attempt(course, choice)
            if won is not None:
                return won
        if course.attempts == 0 and (choice := self._force(course)) is not None:
            return await self._attempts.make(course, choice)
        return None

    async def _attempt(self, course: Course[T], choice: Choice) -> Won[T] | None:
        hedge = course.admission.route.spec.hedge
        if hedge is None or course.hedged or not course.waiting:
            return await self._attempts.make(course, choice)
        now = self._clock.monotonic()
        delay = hedge_delay(hedge.after, self._latencies.of(choice.target, course.asking.kind, now), now)
        if delay is None:
            return await self._attempts.make(course, choice)
        return await self._hedged.make(course, choice, delay, lambda: self._second(course))

    async def _again(self, course: Course[T]) -> Won[T] | None:
        """Asks targets again that did nothing and may recover; bounded by the route's attempts for each."""
        while course.again:
            now = self._clock.monotonic()
            waits = [self._wait(course, entry, now) for entry in course.again]
            wait = min(waits)
            target, _, _ = course.again.pop(waits.index(wait))
            if now + wait >= course.deadline:
                continue
            if not course.budget.take(course.admission.route.spec.retry.budget):
                return None
            if wait > 0.0:
                await asyncio.sleep(wait)
            permit = self._breaker(course, target).permit(self._clock.monotonic())
            if permit is None:
                continue
            self._telemetry.retried(target.name)
            won = await self._attempts.make(course, Choice(target, permit))
            if won is not None:
                return won
        return None

    def _wait(self, course: Course[T], entry: tuple[Target, float | None, float], now: float) -> float:
        target, retry_after, failed_at = entry
        return max(0.0, failed_at + wait_before(course.tries[target.name], retry_after, self._random) - now)

    def _choose(self, course: Course[T]) -> Choice | None:
        """The next target that does not rest; those that do are named and passed over."""
        now = self._clock.monotonic()
        while course.waiting:
            target = course.waiting.popleft()
            breaker = self._breaker(course, target)
            permit = breaker.permit(now)
            if permit is not None:
                return Choice(target, permit)
            course.resting.append((target, breaker))
            course.left(target, CIRCUIT_OPEN)
            self._telemetry.failed_over(target.name, CIRCUIT_OPEN)
        return None

    def _second(self, course: Course[T]) -> Choice | None:
        """The target to race with, if one may be asked and the retry budget pays for it."""
        if course.out_of_time(self._clock.monotonic()):
            return None
        if not course.budget.take(course.admission.route.spec.retry.budget):
            return None
        return self._choose(course)

    def _force(self, course: Course[T]) -> Choice | None:
        """All targets rest: rather than fail blindly, the one whose rest ends first is asked, if nobody probes it."""
        if course.out_of_time(self._clock.monotonic()):
            return None
        for target, breaker in sorted(course.resting, key=lambda pair: pair[1].rests_until):
            permit = breaker.force()
            if permit is not None:
                return Choice(target, permit)
        return None

    def _stay(self, course: Course[T], target: Target) -> None:
        """The run stays with the target that answered; one that was merely slower once keeps it."""
        context, route = course.admission.context, course.admission.route.name
        if not course.hedged or self._sticky.target(context, route) is None:
            self._sticky.answered(context, route, target.name)

    def _breaker(self, course: Course[T], target: Target) -> Breaker:
        limits = course.admission.route.spec.breaker
        return self._breakers.of(target, limits.failures, limits.failure_rate, limits.open_for)

    def _breaker_changed(self, target: str, state: State) -> None:
        self._telemetry.breaker(target, state)
