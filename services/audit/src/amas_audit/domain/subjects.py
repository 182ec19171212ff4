"""Where a person's contents are on record: in which runs, and under which keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubjectRun:
    """A run with contents of a subject; `run_id` is empty for events outside of any run."""

    run_id: str
    events: int
    contents: int
    first_index: int
    last_index: int
    # As the leaves have them (RFC 3339, UTC); "" where the entry is not in the database any more.
    first_time: str = ""
    last_time: str = ""


@dataclass(frozen=True, slots=True)
class SubjectKeyUse:
    """A key that contents of a subject are encrypted under."""

    id: str
    retention: str
    contents: int
