"""Answers probes while a process waits for what it cannot start without: alive, not ready, and for what it waits.

Without this whoever runs it sees a refused connection, takes it for stuck, and starts it again and again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .http_sidecar import HttpSidecar
from .readiness import Readiness

__all__ = ["waiting_for"]


class NotThereYet(Exception):  # noqa: N818 - /readyz says its name: what is so, not that it is an error
    """What the process waits for has not answered yet."""


@asynccontextmanager
async def waiting_for(what: str, listen: str) -> AsyncIterator[None]:
    """Serves /healthz, /readyz and /metrics at `listen` for as long as the body takes. Raises ListenError."""

    async def not_yet() -> None:
        raise NotThereYet

    readiness = Readiness({what: not_yet})
    readiness.accept(True)
    sidecar = HttpSidecar(listen, readiness)
    await sidecar.start()
    try:
        yield
    finally:
        await sidecar.stop()
