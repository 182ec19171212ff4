"""How long to wait before the same target is asked again."""

from __future__ import annotations

from random import Random

# The first wait is drawn from 0 to this many seconds, each later one from twice the span, up to the last.
FIRST_SPAN = 0.1
LAST_SPAN = 2.0


def wait_before(tries: int, retry_after: float | None, random: Random) -> float:
    """Seconds, after `tries` attempts: what the provider asked for, or exponential with full jitter.

    Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015) spreads callers that failed at
    the same moment best.
    """
    if retry_after is not None:
        return retry_after
    return random.uniform(0.0, min(FIRST_SPAN * 2.0 ** (tries - 1), LAST_SPAN))
