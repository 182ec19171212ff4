"""Waits for a condition, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import ClusterError

PERIOD_S = 0.2


def until(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Asks until it holds; after `seconds` it is a ClusterError with what `otherwise` says."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            raise ClusterError(otherwise())
        time.sleep(PERIOD_S)


def becomes(condition: Callable[[], bool], seconds: float) -> bool:
    """Asks until it holds; False after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(PERIOD_S)
    return True
