"""A process that spends from one budget as fast as it can, and says how much it was told that it spent.

Run as a module: it says `ready`, takes Redis's URL on standard input, and ends by itself.
"""

from __future__ import annotations

import asyncio
import random
import sys

from amas_ai_router.adapters.redis_budgets import RedisBudgets
from amas_ai_router.domain.budgets import Window
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_chassis.redis_pipeline import RedisPipeline, connect

from .budget_fakes import MemorySpending, call_of, make_rule, spend

CALLERS = 8
CALLS = 40
LIMIT = 1_000
RULES = [make_rule("tokens", tokens=LIMIT, window=Window.RUN), make_rule("cost", cost="0.00001", window=Window.RUN)]


async def hammer(redis_url: str) -> int:
    """Tokens that were settled."""
    clock = SystemClock()
    redis = connect(redis_url)
    pipeline = RedisPipeline(redis, clock)
    budgets = RedisBudgets(pipeline, MemorySpending(), clock, alerts=lambda alert: None)
    settled, dice = 0, random.Random()  # noqa: S311 - amounts, not secrets

    async def caller() -> None:
        nonlocal settled
        for _ in range(CALLS):
            most = dice.randint(1, 40)
            try:
                hold = await budgets.reserve(RULES, call_of("one"), spend(most, f"{most}e-8"))
            except AmasError as error:
                if error.reason != "BUDGET_EXCEEDED":
                    raise
                continue
            used = dice.randint(0, most)
            if used == 0:
                await budgets.release(hold)
            elif await budgets.settle(hold, spend(used, f"{used}e-8")):
                settled += used

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await pipeline.close()
    await redis.aclose()
    return settled


if __name__ == "__main__":
    print("ready", flush=True)
    print(asyncio.run(hammer(sys.stdin.readline().strip())))
