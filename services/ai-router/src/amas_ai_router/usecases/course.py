"""What is known of one model call while its targets are asked: who is left, what was tried, what went wrong.

It makes no attempt itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from amas_chassis.errors import AmasError

from amas_ai_router.domain.breaker import Breaker, Permit
from amas_ai_router.domain.budgets import Hold
from amas_ai_router.domain.errors import AttemptError, FailureReason, all_failed, none_admitted
from amas_ai_router.domain.model import Target, Tokens
from amas_ai_router.domain.retry_budget import RetryBudget

from .admit_call import Admission

T = TypeVar("T")
# Named in failovers for a target that was not asked because it rests.
CIRCUIT_OPEN = "CIRCUIT_OPEN"
# Named in failovers for a target that was slower than its hedge.
OUTPACED = "OUTPACED"


class Asking(Protocol[T]):
    """How one target is asked for one kind of result."""

    @property
    def kind(self) -> str:
        """Which calls' times may be compared."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether the target may still fail after the result: its taker then gives the permit's verdict."""
        ...

    def limit(self, target: Target) -> float:
        """Seconds that an attempt may take until it has its result."""
        ...

    async def ask(self, target: Target, fields: dict[str, Any]) -> T:
        """The result. Raises AttemptError or RejectedError; what it holds is given up on every exception."""
        ...

    def used(self, result: T, request_bytes: int) -> Tokens:
        """What a result that nobody takes has used."""
        ...

    async def discard(self, result: T) -> None:
        """Gives up what such a result holds."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """A target that may be asked now; the permit wants a verdict."""

    target: Target
    permit: Permit


@dataclass(frozen=True, slots=True)
class Won(Generic[T]):
    """A good result. Whoever gets it settles `hold`; `begun` is when its attempt began, on the monotonic clock."""

    target: Target
    result: T
    hold: Hold | None
    permit: Permit
    begun: float


@dataclass(slots=True)
class Course(Generic[T]):
    """One call; times are on the monotonic clock."""

    admission: Admission
    fields: dict[str, Any]
    asking: Asking[T]
    failovers: list[str]
    deadline: float
    # Whether it is the caller's deadline, and not the route's, that ends the call.
    callers_deadline: bool
    budget: RetryBudget
    waiting: deque[Target]
    attempts: int = 0
    hedged: bool = False
    last: AttemptError | None = None
    refusal: AmasError | None = None
    tries: dict[str, int] = field(default_factory=dict)
    # Targets that may be asked again, and how long each asked to be left alone (seconds), since when.
    again: list[tuple[Target, float | None, float]] = field(default_factory=list)
    resting: list[tuple[Target, Breaker]] = field(default_factory=list)

    def left(self, target: Target, reason: str) -> None:
        """A target did not give the result."""
        self.failovers.append(f"{target.name}: {reason}")

    def failed(self, target: Target, error: AttemptError, now: float) -> None:
        """An attempt failed."""
        self.left(target, error.reason)
        self.last = error
        if error.repeatable and self.tries[target.name] < self.admission.route.spec.retry.attempts:
            self.again.append((target, error.retry_after, now))

    def out_of_time(self, now: float) -> bool:
        """Whether no attempt may begin any more; the call then ends as one that took too long."""
        if now < self.deadline:
            return False
        if self.last is None or self.last.reason is not FailureReason.TIMEOUT:
            self.last = AttemptError(FailureReason.TIMEOUT, "no time is left for another attempt")
        return True

    def error(self, now: float) -> AmasError:
        """Why there is no result; a ModelCallError unless nobody was asked."""
        if self.last is not None:
            return all_failed(self.last, self.failovers)
        if self.refusal is not None:
            return self.refusal
        if not self.resting:
            raise AssertionError("a route has at least one target")
        soonest = min(breaker.rests_until for _, breaker in self.resting)
        return none_admitted(self.failovers, max(0.0, soonest - now))
