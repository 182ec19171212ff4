"""The ai-router as the tests start it: it waits longer for Redis, and its wall clock may be wrong by so many seconds.

A machine that is busy is no Redis that is away, so that the half second which Redis has becomes REDIS_SECONDS. A wrong
clock is that of a machine whose time nobody keeps: the one place that the service reads the wall clock at is wrapped;
its monotonic clock, TLS and Redis know the right time.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from unittest import mock

from amas_ai_router.__main__ import run
from amas_chassis import redis_pipeline
from amas_chassis.clock import SystemClock

SKEW_SECONDS = "AMAS_TEST_SKEW_SECONDS"
REDIS_SECONDS = 2.0


def main() -> int:
    """Serves until it is told to end."""
    skew, right = timedelta(seconds=float(os.environ.get(SKEW_SECONDS, "0"))), SystemClock.now

    def wrong(self: SystemClock) -> datetime:
        return right(self) + skew

    patient = {"timeout": REDIS_SECONDS}
    with (
        mock.patch.object(SystemClock, "now", wrong),
        mock.patch.object(redis_pipeline, "TIMEOUT_SECONDS", REDIS_SECONDS),
        mock.patch.dict(redis_pipeline.RedisPipeline.__init__.__kwdefaults__, patient),
    ):
        return run([])


if __name__ == "__main__":
    sys.exit(main())
