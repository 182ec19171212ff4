"""Erase contents: say so in the log, then destroy their keys. In that order, so that nothing vanishes without a word.

Cut off in between, an erasure is on record and not yet done: asked again it finds the same keys, and the same event, or
says anew what is more by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_audit.domain.erasure import MAX_KEYS, SOURCE, SUBJECT, DoomedKey, erasure_event
from amas_audit.domain.errors import EVENT_ARCHIVED, erasure_unavailable
from amas_audit.domain.model import Event, Submission
from amas_audit.ports import Eraser, Log


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be."""

    keys: int = 0
    contents: int = 0
    # Ids of the events that say so; none of a dry run.
    events: tuple[str, ...] = ()


class EraseContents:
    """Erases what is a subject's."""

    def __init__(self, log: Log, eraser: Eraser | None, clock: Clock) -> None:
        self._log = log
        self._eraser = eraser
        self._clock = clock

    async def __call__(self, tenant: str, subject: str, *, principal: str, dry_run: bool) -> Erased:
        """What is gone, or with `dry_run` what would be.

        AmasError ERASURE_UNAVAILABLE if no role may erase here; LOG_UNAVAILABLE, after which it is safe to ask again.
        """
        if self._eraser is None:
            raise erasure_unavailable()
        keys = await self._eraser.of_subject(tenant, subject)
        if dry_run:
            return Erased(len(keys), sum(key.contents for key in keys))
        return await self.erase(keys, why=SUBJECT, principal=principal)

    async def erase(self, keys: Sequence[DoomedKey], *, why: str, principal: str = "") -> Erased:
        """Erase keys of one tenant, in portions. As above."""
        if self._eraser is None:
            raise erasure_unavailable()
        events = []
        for start in range(0, len(keys), MAX_KEYS):
            some = keys[start : start + MAX_KEYS]
            time = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            event = erasure_event(some, why=why, principal=principal, time=time)
            await self._say(event)
            await self._eraser.destroy([key.id for key in some], event.id)
            events.append(event.id)
        return Erased(len(keys), sum(key.contents for key in keys), tuple(events))

    async def _say(self, event: Event) -> None:
        try:
            await self._log.append(Submission((event,), SOURCE, size=len(event.data)))
        except AmasError as error:
            # It was said before it was cut off, and that is in the archive alone: its id follows from what it says.
            if error.reason != EVENT_ARCHIVED:
                raise
