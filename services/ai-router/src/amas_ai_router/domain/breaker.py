"""Circuit breakers: a target that keeps failing rests, and single calls probe it before it gets all of them again.

Closed, open, half-open after Nygard (Release It!, 2007). It opens after failures in a row, or from a share of failures
in a sliding window on, as Envoy's outlier detection ejects hosts. State is of this process: every router sees for
itself. It must never hold a call up: everything here is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from .bounded_cache import BoundedCache
from .model import Target

# The failure rate is that of so many seconds, counted in so many slots.
WINDOW_SECONDS = 30.0
SLOTS = 10
# Fewer calls than this in the window say nothing about a rate.
MIN_VOLUME = 20
# Each opening in a row rests twice as long as the one before, up to 2 ** MAX_DOUBLINGS times and this many seconds.
MAX_DOUBLINGS = 4
MAX_OPEN_SECONDS = 300.0
# A rest is up to so much longer or shorter, so that replicas do not probe in step.
JITTER = 0.1
# Breakers kept; the one unused for longest is forgotten first, and begins closed when it is met again.
MAX_BREAKERS = 4096


class State(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a route gives a target a rest: `failure_rate` is a ratio, `open_for` in seconds."""

    failures: int
    failure_rate: float
    open_for: float


class Permit:
    """One attempt that a breaker let through. The first verdict counts, later ones change nothing."""

    __slots__ = ("_breaker", "_generation", "_open", "forced", "probe")

    def __init__(self, breaker: Breaker, generation: int, *, probe: bool, forced: bool) -> None:
        self._breaker = breaker
        self._generation = generation
        self._open = True
        self.probe = probe
        self.forced = forced

    def succeeded(self, now: float) -> None:
        """The target did what it should; a caller's own mistake counts as this."""
        if self._take():
            self._breaker.succeeded(now, probe=self.probe)

    def failed(self, now: float, at_most: float | None = None) -> None:
        """The target failed; `at_most` bounds the rest in seconds, where the provider named a time."""
        if self._take():
            self._breaker.failed(now, at_most, probe=self.probe, forced=self.forced)

    def abandoned(self) -> None:
        """Nobody knows how it would have ended: another call may probe."""
        if self._take() and self.probe:
            self._breaker.probe_gone()

    def _take(self) -> bool:
        """Whether this is the first verdict, and the breaker is still in the state that let the attempt through."""
        first, self._open = self._open, False
        return first and self._breaker.generation == self._generation


class Breaker:
    """One target's breaker; times are seconds on a monotonic clock."""

    def __init__(self, limits: BreakerLimits, random: Random, changed: Callable[[State], None]) -> None:
        self._limits = limits
        self._random = random
        self._changed = changed
        self.state = State.CLOSED
        # Grows with each change of state: a verdict from before the change is about another time.
        self.generation = 0
        self.rests_until = 0.0
        self._probing = False
        self._openings = 0
        self._closed_at = 0.0
        self._in_a_row = 0
        self._calls = [0] * SLOTS
        self._failures = [0] * SLOTS
        self._slot = 0

    def permit(self, now: float) -> Permit | None:
        """A permit, or None while the target rests or another call probes it."""
        if self.state is State.CLOSED:
            return Permit(self, self.generation, probe=False, forced=False)
        if now < self.rests_until:
            return None
        return self._probe(forced=False)

    def force(self) -> Permit | None:
        """A permit although the rest is not over, unless another call probes already."""
        return self._probe(forced=True)

    def succeeded(self, now: float, *, probe: bool) -> None:
        """See Permit."""
        if probe:
            self._probing = False
            self._closed_at = now
            self._in_a_row = 0
            self._calls = [0] * SLOTS
            self._failures = [0] * SLOTS
            self._become(State.CLOSED)
            return
        self._in_a_row = 0
        self._calls[self._current(now)] += 1

    def failed(self, now: float, at_most: float | None, *, probe: bool, forced: bool) -> None:
        """See Permit."""
        if probe:
            self._probing = False
            # A probe before its time says nothing new, so the rest does not get longer by it.
            self._open(now, at_most, longer=not forced)
            return
        slot = self._current(now)
        self._calls[slot] += 1
        self._failures[slot] += 1
        self._in_a_row += 1
        if self._in_a_row >= self._limits.failures or self._too_many():
            if now - self._closed_at > WINDOW_SECONDS:
                self._openings = 0
            self._open(now, at_most, longer=True)

    def probe_gone(self) -> None:
        """The probe ended without a verdict."""
        self._probing = False

    def _probe(self, *, forced: bool) -> Permit | None:
        if self._probing:
            return None
        self._probing = True
        if self.state is not State.HALF_OPEN:
            self._become(State.HALF_OPEN)
        return Permit(self, self.generation, probe=True, forced=forced)

    def _open(self, now: float, at_most: float | None, *, longer: bool) -> None:
        if longer:
            self._openings = min(self._openings + 1, MAX_DOUBLINGS + 1)
        rest = min(self._limits.open_for * 2.0 ** max(0, self._openings - 1), MAX_OPEN_SECONDS)
        rest *= self._random.uniform(1.0 - JITTER, 1.0 + JITTER)
        self.rests_until = now + (rest if at_most is None else min(rest, at_most))
        self._become(State.OPEN)

    def _become(self, state: State) -> None:
        self.state = state
        self.generation += 1
        self._changed(state)

    def _current(self, now: float) -> int:
        """The slot of now, emptied if it last held a time before the window."""
        slot = int(now * (SLOTS / WINDOW_SECONDS))
        for passed in range(max(self._slot + 1, slot - SLOTS + 1), slot + 1):
            self._calls[passed % SLOTS] = 0
            self._failures[passed % SLOTS] = 0
        self._slot = max(slot, self._slot)
        return slot % SLOTS

    def _too_many(self) -> bool:
        calls = sum(self._calls)
        return calls >= MIN_VOLUME and sum(self._failures) >= calls * self._limits.failure_rate


class Breakers:
    """Breakers by target and limits; routes with the same limits share what they learn about a target."""

    def __init__(self, random: Random, changed: Callable[[str, State], None]) -> None:
        self._random = random
        self._changed = changed
        self._known: BoundedCache[tuple[object, ...], Breaker] = BoundedCache(MAX_BREAKERS)

    def of(self, target: Target, failures: int, failure_rate: float, open_for: float) -> Breaker:
        """The breaker of a target under a route's limits."""
        # Two bundles may give the same name to different places: the address and the keys are part of who it is.
        key = (target.base_url, target.provider, target.model, target.key_files, failures, failure_rate, open_for)
        known = self._known.get(key)
        if known is None:
            name, changed = target.name, self._changed
            limits = BreakerLimits(failures, failure_rate, open_for)
            known = Breaker(limits, self._random, lambda state: changed(name, state))
            self._known.put(key, known)
        return known
