"""A client that starts runs and watches each by server-sent events to its end, as many at once as it is told."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .reference_resources import NAME

# Seconds that one run may take from its request to its end before the benchmark is given up.
RUN_TIMEOUT_S = 60.0
# How often a request that a rate limit refused is sent again, each time after what the gateway asks for.
MAX_REFUSALS = 20
CONNECTIONS = 128


class RunFailedError(RuntimeError):
    """A run did not succeed, so that its time means nothing."""


@dataclass(frozen=True)
class RunTime:
    """Seconds that one run took, as its client saw it."""

    accept: float
    """From the request to the answer 201."""
    run: float
    """From that answer to the last event of the run."""


@dataclass
class Level:
    """What one round at one concurrency brought."""

    runs: list[RunTime] = field(default_factory=list)
    seconds: float = 0.0
    refusals: int = 0


class RunClient:
    """Runs the reference orchestration through the gateway, its workers shared out among some principals."""

    def __init__(self, api: str, tokens: Sequence[str]) -> None:
        """Takes the URL that ends in `/v1` and one token a principal."""
        self._api = api
        self._tokens = tokens

    async def round(self, runs: int, concurrency: int) -> Level:
        """Makes so many runs, never more than `concurrency` at once, and each worker's next as soon as its last ended.

        Raises:
            RunFailedError: one of them did not succeed.
        """
        level, numbers = Level(), itertools.count()
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(RUN_TIMEOUT_S)) as session:

            async def work(worker: int) -> None:
                headers = {"Authorization": f"Bearer {self._tokens[worker % len(self._tokens)]}"}
                while next(numbers) < runs:
                    level.runs.append(await self._run(session, headers, level))

            begun = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for worker in range(concurrency):
                    group.create_task(work(worker))
            level.seconds = time.perf_counter() - begun
        return level

    async def _run(self, session: aiohttp.ClientSession, headers: dict[str, str], level: Level) -> RunTime:
        accept, run = await self._start(session, headers, level)
        accepted = time.perf_counter()
        last: dict[str, Any] = {}
        async with session.get(f"{self._api}/runs/{run}/events", headers=headers) as events:
            events.raise_for_status()
            async for line in events.content:
                if line.startswith(b"data: "):
                    ended = time.perf_counter()
                    last = json.loads(line[6:])
        state = last.get("runStateChanged", {}).get("state")
        if state != "RUN_STATE_SUCCEEDED":
            raise RunFailedError(f"run {run} ended otherwise than it should: {last}")
        return RunTime(accept, ended - accepted)

    async def _start(self, session: aiohttp.ClientSession, headers: dict[str, str], level: Level) -> tuple[float, str]:
        """Seconds until the run was accepted, and its id. A refusal by a rate limit is waited out and not counted."""
        body = {"orchestration": NAME, "input": {"repository": "repository"}}
        for _ in range(MAX_REFUSALS):
            begun = time.perf_counter()
            async with session.post(f"{self._api}/runs", json=body, headers=headers) as answer:
                if answer.status != 429:
                    answer.raise_for_status()
                    found = await answer.json()
                    return time.perf_counter() - begun, str(found.get("run", found)["id"])
                level.refusals += 1
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
        raise RunFailedError(f"refused {MAX_REFUSALS} times by a rate limit")
