"""How fast each target has been lately, in this process: a mean for ordering and a distribution for hedging.

The distribution is a histogram with buckets whose bounds grow by a fixed ratio (as HdrHistogram and DDSketch have them:
a bounded relative error in bounded memory) and whose counts decay. Never more than MAX_TARGETS are kept.
"""

from __future__ import annotations

import math

from .bounded_cache import BoundedCache
from .model import Target

# A new observation counts so much: the mean follows a change within about ten calls.
WEIGHT = 0.2
# A failed attempt counts as so many seconds, so that a target which fails fast does not look fast.
FAILURE_SECONDS = 60.0
# A target that nobody asked for so long (seconds) may have got better: one call looks.
STALE_SECONDS = 60.0
# Targets remembered, apart for each kind of call; the one unused for longest is forgotten first.
MAX_TARGETS = 4096
# Buckets: from 1 ms on, eight to each doubling (9 % wide), up to about 17 minutes.
LOWEST_SECONDS = 0.001
BUCKETS_PER_DOUBLING = 8
BUCKETS = 160
# Counts halve after so many seconds, and whenever so many are in: old times fade, and a busy target learns faster.
HALF_LIFE_SECONDS = 300.0
MAX_WEIGHT = 2048.0
# Below this weight a percentile says nothing.
MIN_OBSERVATIONS = 20
# A percentile is worked out anew after so many observations.
REFRESH = 16
_BOUNDS = tuple(LOWEST_SECONDS * math.pow(2.0, (place + 1) / BUCKETS_PER_DOUBLING) for place in range(BUCKETS))


class Latency:
    """Times of one target for one kind of call, in seconds; `now` is a monotonic clock's."""

    __slots__ = ("_asked_at", "_cached", "_counts", "_decayed_at", "_mean", "_since", "_weight")

    def __init__(self, now: float) -> None:
        self._mean: float | None = None
        self._asked_at = now
        self._counts = [0.0] * BUCKETS
        self._weight = 0.0
        self._decayed_at = now
        self._cached: dict[float, float] = {}
        self._since = 0

    def observe(self, seconds: float, now: float) -> None:
        """It answered after so long, or had not when it was left for a faster one: without those the picture would
        hold only the fast ones.
        """
        self._mix(seconds, now)
        self._decay(now)
        place = math.log2(seconds / LOWEST_SECONDS) * BUCKETS_PER_DOUBLING if seconds > LOWEST_SECONDS else 0.0
        self._counts[min(int(place), BUCKETS - 1)] += 1.0
        self._weight += 1.0
        self._since += 1
        if self._since >= REFRESH:
            self._cached.clear()
            self._since = 0

    def failed(self, now: float) -> None:
        """It did not answer; how fast it failed says nothing about its answers."""
        self._mix(FAILURE_SECONDS, now)

    def expected(self, now: float) -> float:
        """Seconds to expect; 0 for one that is worth a try: never tried, or not for long (then for one caller)."""
        if self._mean is None:
            return 0.0
        if now - self._asked_at > STALE_SECONDS:
            self._asked_at = now
            return 0.0
        return self._mean

    def quantile(self, share: float, now: float) -> float | None:
        """The upper bound of the bucket that holds this share of the times; None while too few are known."""
        self._decay(now)
        if self._weight < MIN_OBSERVATIONS:
            return None
        known = self._cached.get(share)
        if known is None:
            known = self._cached[share] = self._worked_out(share)
        return known

    def _worked_out(self, share: float) -> float:
        left = share * self._weight
        for place, count in enumerate(self._counts):
            left -= count
            if left <= 0.0:
                return _BOUNDS[place]
        return _BOUNDS[-1]

    def _mix(self, seconds: float, now: float) -> None:
        self._mean = seconds if self._mean is None else self._mean + WEIGHT * (seconds - self._mean)
        self._asked_at = now

    def _decay(self, now: float) -> None:
        halves = int((now - self._decayed_at) / HALF_LIFE_SECONDS)
        if halves > 0:
            self._decayed_at += halves * HALF_LIFE_SECONDS
        elif self._weight >= MAX_WEIGHT:
            halves = 1
        if halves > 0 and self._weight:
            factor = 0.5 ** min(halves, 64)
            self._counts = [count * factor for count in self._counts]
            self._weight *= factor
            self._cached.clear()


class LatencyBook:
    """Times by target and kind of call: a first token and a whole answer are not compared."""

    def __init__(self) -> None:
        self._known: BoundedCache[tuple[object, ...], Latency] = BoundedCache(MAX_TARGETS)

    def of(self, target: Target, kind: str, now: float) -> Latency:
        """The times of a target."""
        key = (target.base_url, target.provider, target.model, target.key_files, kind)
        known = self._known.get(key)
        if known is None:
            known = Latency(now)
            self._known.put(key, known)
        return known
