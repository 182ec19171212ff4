"""The signal that a run is to be stopped: set once, never cleared.

Not an asyncio.Event: waiting for one costs a task for each call that may be cut, and nearly none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CancelSignal:
    """Set from the loop that the run is worked on."""

    def __init__(self) -> None:
        self._set = False
        self._callbacks: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Whether the run is to be stopped."""
        return self._set

    def set(self) -> None:
        """The run is to be stopped: calls what was registered, once."""
        if self._set:
            return
        self._set = True
        for callback in list(self._callbacks):
            callback()

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Calls `callback` if the signal is set while the context lasts; at once if it is set already."""
        if self._set:
            callback()
        self._callbacks.append(callback)
        try:
            yield
        finally:
            self._callbacks.remove(callback)
