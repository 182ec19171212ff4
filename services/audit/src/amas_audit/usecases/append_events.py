"""Append events: refuse what cannot stand in the log, then hand over to the log, which answers after the commit."""

from __future__ import annotations

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError

from amas_audit.domain.contents import MAX_EVENT_CONTENT_BYTES, size_of
from amas_audit.domain.errors import event_invalid
from amas_audit.domain.model import Appended, Event, Submission
from amas_audit.domain.retention import Retention
from amas_audit.ports import AppendTelemetry, Log

# Bytes of an event's canonical data, which may be longer than what was sent (1e20 has 21 digits). With the longest
# names and sixteen contents beside it, a leaf is still one that a bundle can hold (tlog_paths.MAX_ENTRY_BYTES).
MAX_DATA_BYTES = 48 << 10
# Bytes that an event takes beside its data, for the bounds of a group.
ENVELOPE_BYTES = 512

_TEXTS = ("id", "type", "tenant", "run_id", "step", "principal", "role", "role_version", "bundle")


class AppendEvents:
    """Appends on behalf of one of the services."""

    def __init__(self, log: Log, telemetry: AppendTelemetry, clock: Clock, retention: Retention) -> None:
        self._log = log
        self._telemetry = telemetry
        self._clock = clock
        self._retention = retention

    async def __call__(self, events: tuple[Event, ...], *, source: str, fencing_token: int = 0) -> tuple[Appended, ...]:
        """Places of the events, in their order. AmasError EVENT_INVALID, or whatever the log refuses with."""
        begun = self._clock.monotonic()
        try:
            for position, event in enumerate(events):
                _check(position, event)
                self._check_contents(position, event)
            size = sum(len(event.data) + size_of(event.contents) + ENVELOPE_BYTES for event in events)
            places = await self._log.append(Submission(events, source, fencing_token, size))
        except AmasError as error:
            self._telemetry.refused(source, error.reason)
            raise
        duplicates = sum(place.duplicate for place in places)
        seconds = self._clock.monotonic() - begun
        self._telemetry.appended(source, len(places) - duplicates, duplicates, seconds)
        return places

    def _check_contents(self, position: int, event: Event) -> None:
        names = set()
        for number, content in enumerate(event.contents):
            path = f"contents[{number}]"
            if content.name in names:
                raise event_invalid(position, f"{path}.name", "is the name of another content of the event")
            if "\0" in content.subject:
                raise event_invalid(position, f"{path}.subject", "must not hold a NUL character")
            if content.retention not in self._retention.days:
                known = ", ".join(sorted(self._retention.days))
                raise event_invalid(position, f"{path}.retention", f"is no retention class of this log; it has {known}")
            names.add(content.name)
        if size_of(event.contents) > MAX_EVENT_CONTENT_BYTES:
            raise event_invalid(position, "contents", f"must be at most {MAX_EVENT_CONTENT_BYTES} bytes together")


def _check(position: int, event: Event) -> None:
    for name in _TEXTS:
        # Postgres keeps no NUL in text, and one event must not fail the group that it is committed in.
        if "\0" in getattr(event, name):
            raise event_invalid(position, name, "must not hold a NUL character")
    if len(event.data) > MAX_DATA_BYTES:
        words = f"must be at most {MAX_DATA_BYTES} bytes of canonical JSON: what is large belongs into contents"
        raise event_invalid(position, "data_json", words)
