"""Streams a run's events, from any sequence on, until the run has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

from amas_chassis.errors import AmasError, ErrorKind

from amas_orchestrator.domain.errors import run_not_found
from amas_orchestrator.domain.events import StoredEvent
from amas_orchestrator.domain.model import Principal, RunState
from amas_orchestrator.ports import EventWakes, RunStore

BATCH = 256
"""Events that are read at once."""
POLL_SECONDS = 1.0
"""How long a watcher trusts that it would have been woken, before it looks by itself."""


class WatchRun:
    """Watches runs."""

    def __init__(self, runs: RunStore, wakes: EventWakes) -> None:
        self._runs = runs
        self._wakes = wakes

    async def __call__(self, principal: Principal, run_id: str, after: int) -> AsyncIterator[StoredEvent]:
        """Events after a sequence as they come. UNAVAILABLE (DRAINING) asks the watcher to resume elsewhere."""
        run = await self._runs.get(principal.tenant, run_id)
        if run is None:
            raise run_not_found(run_id)
        ended = run.state.ended
        while True:
            events = await self._runs.events(principal.tenant, run_id, after, BATCH)
            for event in events:
                yield event
                after = event.sequence
                ended = ended or _ends(event)
            if len(events) == BATCH:
                continue
            if ended:
                return
            if self._wakes.closing:
                raise AmasError(ErrorKind.UNAVAILABLE, "DRAINING", "the service restarts; resume after the last event")
            await self._wakes.wait(run_id, POLL_SECONDS)


def _ends(event: StoredEvent) -> bool:
    return event.kind == "run_state_changed" and RunState(event.payload["state"]).ended
