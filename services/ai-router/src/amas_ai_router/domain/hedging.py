"""When a second target is asked although the first has not failed (Dean and Barroso, "The Tail at Scale", 2013)."""

from __future__ import annotations

from .latency import Latency

# A hedge never comes sooner than this, in seconds: below it, it would only double the load.
SOONEST = 0.001


def hedge_delay(after: float | str, latency: Latency, now: float) -> float | None:
    """Seconds to wait for the first target: as given, or a percentile (`p95`) of its own times.

    None for a percentile of a target that too little is known about.
    """
    if not isinstance(after, str):
        return max(after, SOONEST)
    seconds = latency.quantile(int(after[1:]) / 100, now)
    return None if seconds is None else max(seconds, SOONEST)
