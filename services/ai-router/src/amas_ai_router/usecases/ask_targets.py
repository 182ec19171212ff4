"""Asks a route's targets one after another until one answers. Each target is asked at most once."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from amas_chassis.clock import Clock

from amas_ai_router.domain.budgets import Hold
from amas_ai_router.domain.errors import AttemptError, RejectedError, all_failed, rejected
from amas_ai_router.domain.latency import LatencyBook
from amas_ai_router.domain.model import ProviderAnswer, Target
from amas_ai_router.domain.selection import order
from amas_ai_router.ports import Providers
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission


@dataclass(frozen=True, slots=True)
class Asked:
    """Which target answered, what is reserved for it until the caller settles, and how many attempts it took."""

    target: Target
    answer: ProviderAnswer
    hold: Hold | None
    attempts: int


class AskTargets:
    """Failover for whole answers; the order and what happened to each target are shared with streams."""

    def __init__(self, providers: Providers, telemetry: RouterTelemetry, clock: Clock, random: Random) -> None:
        self._providers = providers
        self._telemetry = telemetry
        self._clock = clock
        self._random = random
        self._latencies = LatencyBook()

    def order(self, admission: Admission) -> tuple[Target, ...]:
        """The targets in the order of the route's strategy."""
        return order(admission.route, self._latencies, self._random)

    def left(self, target: Target, error: AttemptError, failovers: list[str]) -> None:
        """Notes that a target failed."""
        failovers.append(f"{target.name}: {error.reason}")
        self._latencies.failed(target.name)
        self._telemetry.failed_over(target.name, error.reason)

    def took(self, target: Target, seconds: float) -> None:
        """Notes how fast a target was."""
        self._latencies.observe(target.name, seconds)

    async def run(self, admission: Admission, failovers: list[str]) -> Asked:
        """The first good answer; `failovers` grows by an entry for each target that failed. Raises ModelCallError."""
        last: AttemptError | None = None
        for target in self.order(admission):
            begun = self._clock.monotonic()
            try:
                answer = await self._providers.ask(target, admission.operation, admission.fields)
            except AttemptError as error:
                self.left(target, error, failovers)
                last = error
            except RejectedError as error:
                raise rejected(error) from error
            else:
                self.took(target, self._clock.monotonic() - begun)
                return Asked(target, answer, None, len(failovers) + 1)
        if last is None:
            raise AssertionError("a route has at least one target")
        raise all_failed(last, failovers) from last
