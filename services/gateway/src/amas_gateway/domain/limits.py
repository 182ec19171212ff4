"""Rate limits: the Generic Cell Rate Algorithm (ITU-T I.371) as a pure rule, and what is limited.

One allowance is a rate with a burst. The Redis script computes the same rule over the same numbers; a test holds the
two against each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_FORM = re.compile(r"([1-9][0-9]{0,8})/([smh])(?:,burst=([1-9][0-9]{0,8}))?")


class RouteClass(StrEnum):
    """Routes that share an allowance."""

    READ = "read"
    WRITE = "write"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` requests in each `period` seconds; up to `burst` of them at once."""

    count: int
    period: int
    burst: int

    @property
    def interval_us(self) -> int:
        """Microseconds between two requests at a steady rate, never 0."""
        return max(1, self.period * 1_000_000 // self.count)

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Reads `600/m` or `50/s,burst=100`. Raises ValueError for any other form."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError("a rate has the form COUNT/s, COUNT/m or COUNT/h, then optionally ,burst=COUNT")
        count = int(match[1])
        return cls(count, _SECONDS[match[2]], int(match[3] or count))


@dataclass(frozen=True, slots=True)
class Allowance:
    """A rate that is held for a key; `scope` is its public name (`tenant`, `principal`)."""

    scope: str
    key: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of an allowance: requests that would pass now, and seconds until all of the burst is back."""

    scope: str
    rate: Rate
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Answer of the limits for one request. `retry_after` in seconds, 0 when allowed."""

    allowed: bool
    quotas: tuple[Quota, ...]
    retry_after: float = 0.0

    @property
    def tightest(self) -> Quota:
        """The allowance with the least left, which is what a client needs to know."""
        return min(self.quotas, key=lambda quota: (quota.remaining, -quota.reset))


def next_arrival(arrival_us: int, rate: Rate, now_us: int) -> tuple[int, int]:
    """GCRA for one request: the new theoretical arrival time and the microseconds to wait (0: conforming)."""
    after = max(arrival_us, now_us) + rate.interval_us
    return after, max(0, after - rate.interval_us * rate.burst - now_us)


def quota(allowance: Allowance, arrival_us: int, now_us: int) -> Quota:
    """What an arrival time leaves of an allowance."""
    rate = allowance.rate
    ahead = max(0, arrival_us - now_us)
    remaining = max(0, (rate.interval_us * rate.burst - ahead) // rate.interval_us)
    return Quota(allowance.scope, rate, remaining, ahead / 1e6)
