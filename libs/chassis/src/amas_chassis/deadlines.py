"""The deadline of the call being served, so that calls made on its behalf never outlive it.

It lives in a context variable. A task that a handler starts and leaves behind is freed from it as soon as the handler
ends; it must never cut background work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

__all__ = ["Limit", "begin", "end", "limited", "remaining"]


class _Deadline:
    __slots__ = ("active", "at")

    def __init__(self, at: float) -> None:
        self.at = at
        self.active = True


_current: ContextVar[_Deadline | None] = ContextVar("amas_chassis_deadline", default=None)


Limit = tuple[_Deadline | None, Token[_Deadline | None]]


def begin(seconds: float | None) -> Limit:
    """From here on there are `seconds` left (None: no limit of its own, and none inherited), until `end`."""
    deadline = None if seconds is None else _Deadline(time.monotonic() + seconds)
    return deadline, _current.set(deadline)


def end(limit: Limit) -> None:
    """The limit holds no more, neither here nor in tasks that were started under it."""
    deadline, token = limit
    if deadline is not None:
        deadline.active = False
    _current.reset(token)


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Everything inside has `seconds` left (None: no limit of its own, and none inherited)."""
    limit = begin(seconds)
    try:
        yield
    finally:
        end(limit)


def remaining() -> float | None:
    """Seconds left for work on behalf of the call being served, at least 0; None without a limit."""
    deadline = _current.get()
    if deadline is None or not deadline.active:
        return None
    return max(0.0, deadline.at - time.monotonic())
