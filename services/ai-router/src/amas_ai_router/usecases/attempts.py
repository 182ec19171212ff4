"""Makes one attempt at one target and leaves nothing open: its permit gets one verdict, its hold exactly one end.

A hold ends as nothing (the provider used no tokens), as lost (it may have), or with whoever takes the result.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import orjson
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from amas_chassis.read_timer import ReadTimer

from amas_ai_router.domain.bodies import estimate
from amas_ai_router.domain.breaker import Permit
from amas_ai_router.domain.budgets import Hold
from amas_ai_router.domain.errors import AttemptError, FailureReason, RejectedError, after_provider, rejected
from amas_ai_router.domain.latency import LatencyBook
from amas_ai_router.domain.model import Target, Tokens
from amas_ai_router.telemetry import RouterTelemetry

from .admit_call import Admission
from .course import OUTPACED, Choice, Course, Won

T = TypeVar("T")
# Refusals of one target that say nothing about the next: it may be cheaper, or have a price at all.
_PASSED_ON = frozenset({"BUDGET_EXCEEDED", "PRICE_MISSING"})


class Billing(Protocol):
    """The budgets' side of an attempt."""

    async def begin(self, admission: Admission, target: Target) -> Hold | None:
        """Holds the most that an attempt can use; None if no budget covers the call. Raises AmasError."""
        ...

    def most_output_tokens(self, admission: Admission, target: Target) -> int | None:
        """The bound to put into a request that names none."""
        ...

    def nothing(self, hold: Hold | None) -> None:
        """Nothing was spent."""
        ...

    def lost(self, admission: Admission, target: Target, hold: Hold | None, tokens: Tokens) -> None:
        """The request was sent and its answer lost."""
        ...


class Attempts:
    """Attempts of all calls."""

    def __init__(self, bill: Billing, latencies: LatencyBook, telemetry: RouterTelemetry, clock: Clock) -> None:
        self._bill = bill
        self._latencies = latencies
        self._telemetry = telemetry
        self._clock = clock

    async def make(self, course: Course[T], choice: Choice) -> Won[T] | None:
        """The target's result, or None if it gave none, which the course then knows.

        Raises ModelCallError for the caller's mistake, and AmasError where the budgets do not answer.
        """
        target, permit = choice.target, choice.permit
        try:
            fields = self._bounded(course, target)
            hold = await self._bill.begin(course.admission, target)
        except AmasError as error:
            permit.abandoned()
            self._refused(course, target, error)
            return None
        except BaseException:
            permit.abandoned()
            raise
        begun = self._clock.monotonic()
        if course.out_of_time(begun):
            permit.abandoned()
            self._bill.nothing(hold)
            return None
        course.attempts += 1
        course.tries[target.name] = course.tries.get(target.name, 0) + 1
        limit, left = course.asking.limit(target), course.deadline - begun
        timer = ReadTimer(min(limit, left))
        try:
            result = await timer.wait(course.asking.ask(target, fields))
        except (AttemptError, TimeoutError) as error:
            # A time that only the caller cut short is no fault of the target: else any caller could open a breaker.
            cut = course.callers_deadline and left < limit and self._clock.monotonic() - begun >= left
            self._failed(course, choice, hold, fields, _attempt_error(error), cut=cut)
            return None
        except RejectedError as error:
            self._bill.nothing(hold)
            permit.succeeded(self._clock.monotonic())
            raise rejected(error) from error
        except BaseException:
            # Cancelled, or a fault of ours: the request may be out.
            permit.abandoned()
            self._bill.lost(course.admission, target, hold, _sent(fields))
            raise
        finally:
            timer.stop()
        now = self._clock.monotonic()
        self._latencies.of(target, course.asking.kind, now).observe(now - begun, now)
        # A long stream must not keep its target half-open: with a first token the target is well again.
        if permit.probe or not course.asking.goes_on:
            permit.succeeded(now)
        return Won(target, result, hold, permit, begun)

    def outpaced(self, course: Course[T], choice: Choice, seconds: float) -> None:
        """A target was left for its hedge, which answered sooner.

        It counts as a failure: a target that loses race after race is hung, or too slow to be asked first. That it took
        at least this long is observed, or the distribution would know only the fast times.
        """
        now = self._clock.monotonic()
        choice.permit.failed(now)
        self._latencies.of(choice.target, course.asking.kind, now).observe(seconds, now)
        course.left(choice.target, OUTPACED)

    def unwanted(self, course: Course[T], won: Won[T]) -> None:
        """A good result came that nobody takes: it was used and is billed. Its discarding is the caller's."""
        won.permit.succeeded(self._clock.monotonic())
        tokens = course.asking.used(won.result, len(orjson.dumps(course.fields)))
        self._bill.lost(course.admission, won.target, won.hold, tokens)

    def _bounded(self, course: Course[T], target: Target) -> dict[str, Any]:
        most = self._bill.most_output_tokens(course.admission, target)
        return course.fields if most is None else {**course.fields, target.max_tokens_parameter: most}

    def _refused(self, course: Course[T], target: Target, error: AmasError) -> None:
        """Leaves the target to the next one, or raises what holds for all of them."""
        if error.reason not in _PASSED_ON:
            raise after_provider(error) if course.attempts else error
        course.refusal = error
        course.left(target, error.reason)
        self._telemetry.failed_over(target.name, error.reason)

    def _failed(
        self,
        course: Course[T],
        choice: Choice,
        hold: Hold | None,
        fields: dict[str, Any],
        error: AttemptError,
        *,
        cut: bool,
    ) -> None:
        target, now = choice.target, self._clock.monotonic()
        if error.billable:
            self._bill.lost(course.admission, target, hold, _sent(fields))
        else:
            self._bill.nothing(hold)
        if cut or error.by_request:
            choice.permit.abandoned()
        else:
            _count(choice.permit, error, now)
            self._latencies.of(target, course.asking.kind, now).failed(now)
        course.failed(target, error, now)
        self._telemetry.failed_over(target.name, error.reason)


def _count(permit: Permit, error: AttemptError, now: float) -> None:
    permit.failed(now, error.retry_after if error.reason is FailureReason.RATE_LIMITED else None)


def _attempt_error(error: AttemptError | TimeoutError) -> AttemptError:
    return error if isinstance(error, AttemptError) else AttemptError(FailureReason.TIMEOUT, "no answer in time")


def _sent(fields: dict[str, Any]) -> Tokens:
    """What a request used of which no answer came: its own size."""
    return estimate(len(orjson.dumps(fields)), 0)
