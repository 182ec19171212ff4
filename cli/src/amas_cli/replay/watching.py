"""Looks at steps while they are run again, and stops the re-run where somebody wants to look into it."""

from __future__ import annotations

from amas_orchestrator.usecases.step_job import StepProgress

from .outcomes import Reached


class Watching:
    """StepWatcher (amas_orchestrator.usecases.step_job) that remembers how far each step has come.

    `until` is a step's path, and means its end, or the name of one of its checkpoints (`publisher/1`), and means the
    moment before it. Empty: nothing stops.
    """

    def __init__(self, until: str = "") -> None:
        self._until = until
        self.seen: dict[str, StepProgress] = {}
        self.done: list[str] = []
        """Durable steps that were begun, in their order."""

    def begins(self, progress: StepProgress, name: str) -> None:
        """A durable step of a step is about to begin."""
        self.seen[progress.job.path] = progress
        if name == self._until:
            raise Reached
        self.done.append(name)

    def ends(self, progress: StepProgress) -> None:
        """A step has come to its end."""
        self.seen[progress.job.path] = progress
        if progress.job.path == self._until:
            raise Reached
