"""One round over the newest runs: the cluster shows them as the platform lists them, and never more than so many."""

from __future__ import annotations

import contextlib
import logging
from datetime import datetime

from amas_chassis.clock import Clock

from amas_operator.domain.errors import ChangedMeanwhileError, NotAllowedError, RefusedError, UnavailableError
from amas_operator.domain.runs import RunObject, RunSeen, seen_status, unseen_status
from amas_operator.ports import RunObjects, Runs, Telemetry

_log = logging.getLogger(__name__)


class MirrorRuns:
    """Repeatable: a second round over the same runs writes nothing. `limit` 0: none are shown any more."""

    def __init__(self, objects: RunObjects, runs: Runs, telemetry: Telemetry, clock: Clock, limit: int) -> None:
        self._objects = objects
        self._runs = runs
        self._telemetry = telemetry
        self._clock = clock
        self._limit = limit
        self._last_seen: datetime | None = None

    async def __call__(self) -> None:
        """Raises UnavailableError when it should be tried again soon; nothing is deleted for want of an answer."""
        try:
            await self._round()
        except UnavailableError:
            self._telemetry.mirrored("unavailable")
            raise
        self._telemetry.mirrored("mirrored")

    async def _round(self) -> None:
        held = await self._objects.mirrored()
        self._telemetry.runs(len(held))
        now = self._clock.now()
        try:
            newest = await self._runs.newest(self._limit) if self._limit else []
        except (UnavailableError, NotAllowedError, RefusedError) as error:
            reason = "PlatformUnavailable" if isinstance(error, UnavailableError) else "Refused"
            for run in held:
                await self._update(run, unseen_status(run.status, now, self._last_seen, reason, str(error)))
            raise UnavailableError(f"runs cannot be listed: {error}") from error
        self._last_seen = now
        await self._show({run.id: run for run in newest[: self._limit]}, {run.name: run for run in held}, now)

    async def _show(self, newest: dict[str, RunSeen], held: dict[str, RunObject], now: datetime) -> None:
        """What goes, goes before anything comes: there are never more than the limit."""
        for name in held.keys() - newest.keys():
            with contextlib.suppress(ChangedMeanwhileError):
                await self._objects.delete(name)
        for name, run in newest.items():
            if name in held:
                await self._update(held[name], seen_status(run, held[name].status, now))
                continue
            try:
                await self._objects.create(name, seen_status(run, {}, now))
            except ChangedMeanwhileError:
                _log.warning("a Run of that name is none of ours: it is left alone", extra={"run": name})
        self._telemetry.runs(len(newest))

    async def _update(self, run: RunObject, status: dict[str, object]) -> None:
        if status == run.status:
            return
        with contextlib.suppress(ChangedMeanwhileError):
            await self._objects.update(run, status)
