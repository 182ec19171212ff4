"""The durable engine of a replay: in memory, each step once. What a crash would lose is lost here too: it is a replay.

Where the record has an end in one branch, that branch stands still, and the others go on to theirs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from amas_orchestrator.domain.signals import CancelSignal
from amas_orchestrator.ports import Body

from .clock import RecordedClock
from .outcomes import RecordEnds

Json = dict[str, Any]
Spawned = Callable[[Json, "MemoryDurable"], Awaitable[Json]]
QUIET_ROUNDS = 100
"""Rounds of the loop without a branch moving, after which none will: nothing here waits for anything outside."""


class Branches:
    """The workflows of a run that run side by side, and those of them for which the record has an end."""

    def __init__(self) -> None:
        self.ends: list[RecordEnds] = []
        self._running = 0
        self._moves = 0
        self._changed = asyncio.Event()

    async def enter(self, work: Awaitable[Json]) -> Json:
        """The result of a branch; one for which the record has an end never has one."""
        self._running += 1
        self._move()
        try:
            return await work
        except RecordEnds as end:
            self.ends.append(end)
            self._move()
            await asyncio.Event().wait()
            raise
        finally:
            self._running -= 1
            self._move()

    async def standstill(self) -> None:
        """Returns once every branch stands still."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            before = self._moves
            for _ in range(QUIET_ROUNDS):
                await asyncio.sleep(0)
            if before == self._moves and self.ends and len(self.ends) == self._running:
                return

    def _move(self) -> None:
        self._moves += 1
        self._changed.set()


class MemoryDurable:
    """Durable (amas_orchestrator.ports) of one workflow."""

    def __init__(self, workflow_id: str, path: str, clock: RecordedClock, branches: Branches, spawned: Spawned) -> None:
        self._workflow_id = workflow_id
        self._path = path
        self._clock = clock
        self._branches = branches
        self._spawned = spawned

    @property
    def workflow_id(self) -> str:
        return self._workflow_id

    async def step(self, name: str, body: Body) -> Json:
        # The names of steps begin with their path, but for those of a question to people.
        self._clock.enter(name, name.rpartition("/")[0] or self._path)
        return _as_kept(await body())

    async def receive(self, topic: str, timeout_seconds: float) -> Json | None:
        """Nobody is waited for: what people said is on record already."""
        return None

    async def spawn(self, path: str, arguments: Json) -> Json:
        child = MemoryDurable(f"{self._workflow_id}/{path}", path, self._clock, self._branches, self._spawned)
        return _as_kept(await self._branches.enter(self._spawned(_as_kept(arguments), child)))


class NobodyCancels:
    """Cancellations (amas_orchestrator.ports): a run is stopped where its record stops, and not by a signal."""

    def watch(self, run_id: str) -> AbstractContextManager[CancelSignal]:
        return nullcontext(CancelSignal())


def _as_kept(value: Json) -> Json:
    """As the engine would keep it: through JSON and back."""
    kept: Json = json.loads(json.dumps(value))
    return kept
