"""The ai-router with a wall clock that is wrong by so many seconds: a machine whose time nobody keeps.

It wraps the one place that the service reads the wall clock at; its monotonic clock, TLS and Redis know the right time.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta

from amas_ai_router.__main__ import run
from amas_chassis.clock import SystemClock

SECONDS = "AMAS_TEST_SKEW_SECONDS"


def main() -> int:
    """Serves with the wrong time."""
    skew, right = timedelta(seconds=float(os.environ[SECONDS])), SystemClock.now

    def wrong(self: SystemClock) -> datetime:
        return right(self) + skew

    SystemClock.now = wrong  # type: ignore[method-assign]  # the point of this program
    return run([])


if __name__ == "__main__":
    sys.exit(main())
