"""A process that claims and settles calls under one quota as fast as it can, and says what it was granted and used.

Run as a module: it says `ready`, takes the store's URL on standard input, and ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys

from amas_chassis.clock import SystemClock
from amas_policy_sidecar.adapters import redis_quota
from amas_policy_sidecar.domain.quota import QuotaAnswer, QuotaBound, Used

from .processes import PATIENCE
from .quota_claims import DAY, bound, claim

CALLERS = 8
CALLS = 60
# Far from any end of a window that could come while the test runs.
WINDOW = 3652 * DAY
BOUNDS: tuple[QuotaBound, ...] = (
    bound("tenant", bytes_out=6_000, bytes_in=400_000, window=WINDOW),
    bound("tool", calls=90, wall_clock=100.0, concurrency=9),
)


async def hammer(url: str) -> dict[str, float]:
    """What all calls of this process were granted and used."""
    # The machine may be busy, and nothing is promised here about how soon the store answers.
    redis_quota.TIMEOUT = PATIENCE
    quota = redis_quota.RedisQuota.connect(url, SystemClock())
    sums = {"calls": 0.0, "bytes_out": 0.0, "bytes_in": 0.0, "seconds": 0.0}
    dice = random.Random()  # noqa: S311 - amounts, not secrets

    async def caller(number: int) -> None:
        for call in range(CALLS):
            out, into = dice.randint(20, 200), dice.randint(5_000, 20_000)
            made = claim(
                f"{os.getpid()}/{number}/{call}",
                *BOUNDS,
                bytes_out=out,
                most_bytes_in=into,
                most_seconds=2.0,
            )
            while (verdict := await quota.take(made)).answer is QuotaAnswer.BUSY:
                pass  # whoever holds it settles soon, and each take is a round trip
            if verdict.answer is not QuotaAnswer.GRANTED:
                continue
            used = Used(dice.randint(0, verdict.bytes_in), dice.randint(0, 2_000_000) / 1e6)
            await quota.settle(made, used)
            sums["calls"] += 1
            sums["bytes_out"] += out
            sums["bytes_in"] += used.bytes_in
            sums["seconds"] += used.seconds

    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    await quota.close()
    return sums


if __name__ == "__main__":
    print("ready", flush=True)
    print(json.dumps(asyncio.run(hammer(sys.stdin.readline().strip()))))
