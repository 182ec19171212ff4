"""Clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from amas_chassis.clock import Clock, ManualClock, SystemClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_manual_clock_moves_only_when_told() -> None:
    """Both of its times move by the same amount, and never back."""
    clock: Clock = (manual := ManualClock(START))
    before = clock.monotonic()
    manual.advance(1.5)
    assert clock.now() == START + timedelta(seconds=1.5)
    assert clock.monotonic() - before == 1.5
    with pytest.raises(ValueError, match="never goes back"):
        manual.advance(-1)


def test_a_naive_start_is_refused() -> None:
    """A time without a zone is not a point in time."""
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_the_system_clock_is_in_utc() -> None:
    """Wall time is aware and in UTC; the monotonic clock does not go back."""
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()
