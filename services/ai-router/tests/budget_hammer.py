"""A process that spends from one budget as fast as it can, and says how much it was told that it spent.

Run as a module: it takes Redis's URL on standard input, spends a little with each of its callers, says `ready`, takes a
line on standard input, goes on until all calls are made, and ends by itself.
"""

from __future__ import annotations

import asyncio
import random
import sys

from amas_ai_router.adapters.redis_budgets import RedisBudgets
from amas_ai_router.domain.budgets import Window
from amas_chassis.clock import SystemClock
from amas_chassis.errors import AmasError
from amas_chassis.redis_pipeline import RedisPipeline

from .budget_fakes import PATIENCE, MemorySpending, call_of, make_rule, patient, spend

CALLERS = 8
CALLS = 40
# Tokens of a call at most: the first calls of all callers of three processes fit into the limit.
MOST = 40
LIMIT = 1_000
RULES = [make_rule("tokens", tokens=LIMIT, window=Window.RUN), make_rule("cost", cost="0.00001", window=Window.RUN)]


async def hammer(redis_url: str) -> int:
    """Tokens that were settled."""
    clock = SystemClock()
    redis = patient(redis_url)
    pipeline = RedisPipeline(redis, clock, timeout=PATIENCE)
    budgets = RedisBudgets(pipeline, MemorySpending(), clock, alerts=lambda alert: None)
    settled, dice = 0, random.Random()  # noqa: S311 - amounts, not secrets

    async def call(least: int) -> None:
        nonlocal settled
        most = dice.randint(1, MOST)
        try:
            hold = await budgets.reserve(RULES, call_of("one"), spend(most, f"{most}e-8"))
        except AmasError as error:
            if error.reason != "BUDGET_EXCEEDED":
                raise
            return
        used = dice.randint(least, most)
        if used == 0:
            await budgets.release(hold)
        elif await budgets.settle(hold, spend(used, f"{used}e-8")):
            settled += used

    async def caller() -> None:
        for _ in range(CALLS - 1):
            await call(least=0)

    # Whoever is slow to come finds something left: what the processes are to share is not used up by the first of them.
    await asyncio.gather(*(call(least=1) for _ in range(CALLERS)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await pipeline.close()
    await redis.aclose()
    return settled


if __name__ == "__main__":
    print(asyncio.run(hammer(sys.stdin.readline().strip())))
