"""Waiting for a condition, with a bound and a clear end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

POLL_S = 0.05


def wait_for(what: str, look: Callable[[], Answer | None], timeout: float, every: float = POLL_S) -> Answer:
    """Looks until there is an answer, each `every` seconds; a look that is cut off by a dying service is looked again.

    Raises:
        AssertionError: there was none within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    last: BaseException | None = None
    while time.monotonic() < deadline:
        try:
            answer = look()
        except (OSError, AssertionError, ValueError) as error:
            answer, last = None, error
        if answer:
            return answer
        time.sleep(every)
    raise AssertionError(f"not within {timeout:.0f} s: {what}" + (f" (last: {last})" if last else ""))
