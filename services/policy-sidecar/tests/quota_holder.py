"""A process that claims calls, says `held`, and is killed before it settles them.

Run as a module: it says `ready`, and takes the store's URL on standard input.
"""

from __future__ import annotations

import asyncio
import sys

from amas_chassis.clock import SystemClock
from amas_policy_sidecar.adapters import redis_quota

from .processes import PATIENCE
from .quota_claims import bound, claim

ALL = {"concurrency": 1, "bytes_in": 1000, "wall_clock": 5.0, "calls": 2}
BRIEF, LONG = bound("brief", **ALL), bound("long", **ALL)


async def hold(url: str) -> None:
    """Claims one call with a lease that ends soon, and one with a lease that does not."""
    redis_quota.TIMEOUT = PATIENCE
    quota = redis_quota.RedisQuota.connect(url, SystemClock())
    await quota.take(claim("dead", BRIEF, lease=0.5))
    await quota.take(claim("dead, too", LONG, lease=3600.0))
    print("held", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    print("ready", flush=True)
    asyncio.run(hold(sys.stdin.readline().strip()))
