"""Hears from Postgres that a run has new events or is to be cancelled, and passes it on inside this process.

Notifications are hints: they get lost with their connection. Watchers look by themselves every second, and after each
reconnect the runs at work here are asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from amas_orchestrator.domain.signals import CancelSignal

from .postgres_pool import CONNECT_TIMEOUT_SECONDS

_log = logging.getLogger(__name__)

EVENTS = "amas_run_events"
CANCELS = "amas_run_cancels"
RECONNECT_SECONDS = 0.5
PROBE_SECONDS = 5.0
"""How often the connection is asked whether it is still there."""


class Notifications:
    """EventWakes and Cancellations."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._signals: dict[str, tuple[CancelSignal, int]] = {}
        self._closing = False

    @property
    def closing(self) -> bool:
        """See EventWakes."""
        return self._closing

    def close(self) -> None:
        """Sends all watchers away."""
        self._closing = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def wait(self, run_id: str, timeout_seconds: float) -> None:
        """See EventWakes."""
        event = asyncio.Event()
        self._waiting.setdefault(run_id, set()).add(event)
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            events = self._waiting[run_id]
            events.discard(event)
            if not events:
                del self._waiting[run_id]

    @contextmanager
    def watch(self, run_id: str) -> Iterator[CancelSignal]:
        """See Cancellations. All who watch one run share its signal."""
        signal, users = self._signals.get(run_id, (CancelSignal(), 0))
        self._signals[run_id] = (signal, users + 1)
        try:
            yield signal
        finally:
            signal, users = self._signals[run_id]
            if users == 1:
                del self._signals[run_id]
            else:
                self._signals[run_id] = (signal, users - 1)

    async def listen(self, to_cancel: Callable[[Sequence[str]], Awaitable[list[str]]]) -> None:
        """Listens for ever; reconnects when the connection is lost."""
        while True:
            try:
                await self._listen_once(to_cancel)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("the listening connection was lost", extra={"error": type(error).__name__})
            except Exception:
                _log.exception("listening failed")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self, to_cancel: Callable[[Sequence[str]], Awaitable[list[str]]]) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            await connection.add_listener(EVENTS, self._on_event)
            await connection.add_listener(CANCELS, self._on_cancel)
            for run_id in await to_cancel(list(self._signals)):
                self._cancel(run_id)
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                await connection.execute("SELECT 1", timeout=PROBE_SECONDS)
        finally:
            connection.terminate()

    def _on_event(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        for event in self._waiting.get(str(payload), ()):
            event.set()

    def _on_cancel(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._cancel(str(payload))

    def _cancel(self, run_id: str) -> None:
        if run_id in self._signals:
            self._signals[run_id][0].set()
