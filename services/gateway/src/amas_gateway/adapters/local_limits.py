"""Rate limits in this process alone, for while Redis is away. The same rule and the same rates."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from amas_chassis.clock import Clock

from amas_gateway.domain import limits
from amas_gateway.domain.limits import Allowance, Taken

# Keys kept; the longest unused is forgotten first, which can only give a principal a fresh burst.
MAX_KEYS = 16_384


class LocalLimits:
    """Port `RateLimiter`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: OrderedDict[str, int] = OrderedDict()

    async def take(self, allowances: Sequence[Allowance]) -> Taken:
        now = int(self._clock.monotonic() * 1e6)
        before = [self._arrivals.get(allowance.key, 0) for allowance in allowances]
        steps = [
            limits.next_arrival(arrival, allowance.rate, now)
            for arrival, allowance in zip(before, allowances, strict=True)
        ]
        wait = max(step_wait for _, step_wait in steps)
        after = before if wait else [arrival for arrival, _ in steps]
        for allowance, arrival in zip(allowances, after, strict=True):
            self._arrivals[allowance.key] = arrival
            self._arrivals.move_to_end(allowance.key)
        while len(self._arrivals) > MAX_KEYS:
            self._arrivals.popitem(last=False)
        quotas = tuple(
            limits.quota(allowance, arrival, now) for allowance, arrival in zip(allowances, after, strict=True)
        )
        return Taken(wait == 0, quotas, wait / 1e6)
