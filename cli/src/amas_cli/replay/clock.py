"""The clock of a replay: it shows what the recorded run's checkpoints say, and never moves by itself."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime

from .recording import Recording

_NOW: ContextVar[datetime] = ContextVar("replayed time")
_STEP: ContextVar[str] = ContextVar("durable step", default="")
RUN_ENDS = "end"
"""Name of a run's last durable step."""


class RecordedClock:
    """Clock (amas_chassis.clock). Each workflow has its own time, since several run side by side."""

    def __init__(self, recording: Recording, started: datetime) -> None:
        self._recording = recording
        self._started = started

    def now(self) -> datetime:
        return _NOW.get(self._started)

    def monotonic(self) -> float:
        return 0.0

    def enter(self, name: str, path: str) -> None:
        """A durable step begins: until the next one, it is when this one was done.

        A step that had not ended has no checkpoints on record: then it is the newest moment that is known of it.
        """
        _STEP.set(name)
        at = self._recording.checkpoint(name)
        _NOW.set(at if at is not None else max(self.now(), self._recording.last_time(path)))

    @property
    def run_ends(self) -> bool:
        """Whether the run is in its last step."""
        return _STEP.get() == RUN_ENDS
