"""The durable engine from inside and outside a workflow, and what tells a process about its runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from amas_orchestrator.domain.model import Json, Run
from amas_orchestrator.domain.signals import CancelSignal

Body = Callable[[], Awaitable[Json]]
"""The body of a durable step: run at least once, its result kept."""


class Durable(Protocol):
    """One workflow of the durable engine, seen from inside."""

    @property
    def workflow_id(self) -> str:
        """Where messages for this workflow go."""
        ...

    async def step(self, name: str, body: Body) -> Json:
        """Runs the body at least once and keeps its result; a kept result is answered without running it."""
        ...

    async def receive(self, topic: str, timeout_seconds: float) -> Json | None:
        """The next message on a topic, also one sent before or while no executor ran; None after the time-out."""
        ...

    async def spawn(self, path: str, arguments: Json) -> Json:
        """Runs a step of the graph as a workflow of its own, once for each path, and answers its result."""
        ...


class Engine(Protocol):
    """The durable engine, seen from outside a workflow."""

    async def enqueue(self, run: Run) -> None:
        """Queues the run's workflow; again is the same."""
        ...

    async def send(self, workflow_id: str, topic: str, message: Json, key: str) -> None:
        """Sends a message that is delivered once for each key."""
        ...

    async def executors_at_work(self) -> set[str]:
        """Ids of all executors that have unfinished workflows, living or not."""
        ...

    async def stranded(self, executor_id: str) -> dict[str, list[str]]:
        """Runs with unfinished workflows of an executor, and all unfinished workflows of these runs."""
        ...

    async def resume(self, workflow_ids: Sequence[str]) -> None:
        """Lets living executors go on with workflows."""
        ...


class Cancellations(Protocol):
    """Tells a running step that its run is to be stopped."""

    def watch(self, run_id: str) -> AbstractContextManager[CancelSignal]:
        """A signal that is set when the run is to be cancelled; while the context lasts."""
        ...


class EventWakes(Protocol):
    """Tells watchers that a run may have new events."""

    async def wait(self, run_id: str, timeout_seconds: float) -> None:
        """Until something was written about the run, or the time is over; false alarms are allowed."""
        ...

    @property
    def closing(self) -> bool:
        """Whether watchers should go away, because the process ends."""
        ...


class Metrics(Protocol):
    """What operators see of runs."""

    def run_ended(self, state: str, seconds: float, usage: Mapping[str, Any]) -> None:
        """A run came to an end, seen from the process that ended it; `usage` is the whole run's."""
        ...

    def step_ended(self, state: str) -> None:
        """A step came to an end."""
        ...

    def model_called(self, usage: Mapping[str, Any]) -> None:
        """A model answered."""
        ...

    def tool_called(self, effect: str) -> None:
        """Policy decided a tool call."""
        ...

    def waited_for(self, dependency: str) -> None:
        """A dependency was away and is asked again."""
        ...

    def taken_over(self) -> None:
        """A run was taken over from another executor."""
        ...

    def webhook_sent(self, outcome: str) -> None:
        """A webhook message was delivered, is to be retried, or was given up."""
        ...
