"""How many attempts beyond the first pass a route may make, so that retries and hedges never double an overload.

A token bucket after Finagle's RetryBudget: each call puts a share of a token in, each extra attempt takes one out, and
a small flow over time lets a route with few calls retry at all.
"""

from __future__ import annotations

from .bounded_cache import BoundedCache

# Tokens a second that come without calls, and how many of those are saved at most.
MIN_PER_SECOND = 1.0
MIN_SAVED = 10.0
# Tokens that calls save at most: an hour of quiet success does not pay for a storm.
MAX_SAVED = 100.0
# Routes remembered; the one unused for longest begins anew.
MAX_ROUTES = 1024


class RetryBudget:
    """One route's bucket; times are seconds on a monotonic clock."""

    __slots__ = ("_at", "_saved")

    def __init__(self, now: float) -> None:
        self._saved = MIN_SAVED
        self._at = now

    def call(self, share: float, now: float) -> None:
        """A call begins; `share` (0 to 1) of calls may be followed by an extra attempt, 0 for none ever."""
        if self._saved < MIN_SAVED:
            self._saved = min(self._saved + (now - self._at) * MIN_PER_SECOND, MIN_SAVED)
        self._at = now
        self._saved = min(self._saved + share, MAX_SAVED)

    def take(self, share: float) -> bool:
        """Whether an extra attempt may be made; if so it is paid for."""
        if share <= 0.0 or self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


class RetryBudgets:
    """Buckets by bundle and route."""

    def __init__(self) -> None:
        self._known: BoundedCache[tuple[str, str], RetryBudget] = BoundedCache(MAX_ROUTES)

    def of(self, bundle: str, route: str, now: float) -> RetryBudget:
        """The bucket of a route."""
        key = (bundle, route)
        known = self._known.get(key)
        if known is None:
            known = RetryBudget(now)
            self._known.put(key, known)
        return known
