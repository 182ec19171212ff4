"""Where windows begin and end: UTC hours, days, weeks from Monday, months. A run's budget has no such window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .budgets import Window

RUN_SPAN_ID = "run"
_ID_FORMAT = "%Y-%m-%dT%H"


@dataclass(frozen=True, slots=True)
class Span:
    """One window. `id` names it and is enough to find it again; start is in it, end is not; a run has neither."""

    id: str
    start: datetime | None
    end: datetime | None


_RUN = Span(RUN_SPAN_ID, None, None)


def span_at(window: Window, now: datetime) -> Span:
    """The window that an instant is in."""
    if window is Window.RUN:
        return _RUN
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if window is Window.HOUR:
        start, end = hour, hour + timedelta(hours=1)
    elif window is Window.DAY:
        start, end = day, day + timedelta(days=1)
    elif window is Window.WEEK:
        start = day - timedelta(days=day.weekday())
        end = start + timedelta(weeks=1)
    else:
        start = day.replace(day=1)
        # Day 28 exists in every month, and four days later the next one has begun.
        end = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return Span(start.strftime(_ID_FORMAT), start, end)


def span_of_id(window: Window, span_id: str) -> Span:
    """The window of an id. Raises ValueError for what is none."""
    if window is Window.RUN:
        return _RUN
    return span_at(window, datetime.strptime(span_id, _ID_FORMAT).replace(tzinfo=UTC))
