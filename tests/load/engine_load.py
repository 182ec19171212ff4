"""What both sides of the engine's benchmark do: so many workflows of ten steps, so many at once, and what that took."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

STEPS = 10
"""Durable steps of one workflow, on both sides."""
CONCURRENCY = 10
WARM_UP = 20
# Seconds for all workflows of one measurement.
TIMEOUT_S = 60.0
POLL_S = 0.01


@dataclass(frozen=True)
class Spent:
    """What one measurement took: seconds by the clock, and seconds of this process's CPU."""

    steps: int
    seconds: float
    cpu: float


async def spend(one: Callable[[], Awaitable[object]], settled: Callable[[], Awaitable[bool]], workflows: int) -> Spent:
    """Does `one` so many times after a warm-up. The clock stops when `settled` says that nothing is left to write.

    Raises:
        TimeoutError: it took more than TIMEOUT_S.
    """
    async with asyncio.timeout(TIMEOUT_S):
        await _all(one, WARM_UP)
        await _until(settled)
        begun, cpu = time.perf_counter(), time.process_time()
        await _all(one, workflows)
        await _until(settled)
        return Spent(workflows * STEPS, time.perf_counter() - begun, time.process_time() - cpu)


async def _until(settled: Callable[[], Awaitable[bool]]) -> None:
    while not await settled():  # noqa: ASYNC110 - it asks a table, which sets no event
        await asyncio.sleep(POLL_S)


async def _all(one: Callable[[], Awaitable[object]], workflows: int) -> None:
    numbers = itertools.count()

    async def work() -> None:
        while next(numbers) < workflows:
            await one()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(work())


def main(measure: Callable[[str, int], Coroutine[Any, Any, Spent]]) -> None:
    """The process of one side: told on stdin what to do, says on stdout what it took.

    stdin: `{"dsn": "...", "workflows": 80}`; the last line on stdout is a Spent as JSON.
    """
    told = json.load(sys.stdin)
    print(json.dumps(asdict(uvloop.run(measure(told["dsn"], told["workflows"])))))
