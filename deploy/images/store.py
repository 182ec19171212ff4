"""Who uses the builder's store at this moment, and what killed builds left in it.

A build that is killed leaves the containers that it worked in, with their file systems mounted. Nobody but us knows
whether a container is such a one: only where nobody builds are they all.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def building(cache: Path, clear: Callable[[], object] | None = None) -> Iterator[None]:
    """Builds may go on side by side; `clear` is called before one that finds itself alone."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as stream:
        if clear is not None:
            with suppress(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                clear()
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield
