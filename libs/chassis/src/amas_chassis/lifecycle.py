"""How a process starts, works and ends (invariant: SIGTERM loses nothing).

The order of the end is the point of this module: readiness off, health NOT_SERVING, drain hooks, stop accepting and
let calls end, background off, stop hooks, HTTP off; telemetry is flushed after all of it, by the caller. It must never
close what a call under way still uses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .grpc_server import GrpcServer, GrpcService
from .http_sidecar import HttpSidecar
from .interceptors import internal_interceptor
from .readiness import Readiness
from .settings import ServiceSettings
from .tls import server_credentials

__all__ = ["Lifecycle", "Server", "ServiceSpec"]

_log = logging.getLogger(__name__)

# What each hook and each cancelled background task may take once the drain's own time is used up (seconds).
HOOK_SECONDS = 5.0

Hook = Callable[[], Awaitable[None]]


class Server(Protocol):
    """Another server of the same process, such as uvicorn."""

    async def start(self) -> None:
        """Bind and serve; raises ListenError if the address is taken."""
        ...

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the callee stops by its own means
        """Stop accepting and let requests end, at most `timeout` seconds."""
        ...


@dataclass(frozen=True)
class ServiceSpec:
    """What a service is made of.

    `callers` maps a full method ("/package.Service/Method") to the services that may call it; what is unlisted is
    refused. A check raises if the service is not ready. Notes are what an operator should know of a service that is
    ready all the same; /readyz answers them. Background tasks run for the process's life; one that raises ends it.
    `on_drain` runs before calls are waited for, `on_stop` after everything has ended.
    """

    name: str
    settings: ServiceSettings
    services: Sequence[GrpcService]
    callers: Mapping[str, frozenset[str]]
    checks: Mapping[str, Hook] = field(default_factory=dict)
    notes: Callable[[], Mapping[str, str]] = dict
    background: Sequence[Hook] = ()
    servers: Sequence[Server] = ()
    on_drain: Sequence[Hook] = ()
    on_stop: Sequence[Hook] = ()


class Lifecycle:
    """Runs one ServiceSpec until it is told to stop."""

    def __init__(self, spec: ServiceSpec) -> None:
        settings = spec.settings
        self._spec = spec
        self._drain_timeout = settings.drain_timeout
        self._readiness = Readiness(spec.checks)
        self._http = HttpSidecar(settings.http_listen, self._readiness, notes=spec.notes)
        self._grpc = GrpcServer(
            settings.grpc_listen,
            spec.services,
            [internal_interceptor(settings.trust_domain, spec.callers)],
            server_credentials(settings.tls_files()),
            self._readiness.ready,
            settings.connection_age,
        )
        self._servers: list[Server] = []
        self._background: list[asyncio.Task[None]] = []
        self._failed = False

    async def run(self, stop: asyncio.Event) -> bool:
        """Serve until `stop` is set or a background task fails; True if all went well. Raises ListenError."""
        try:
            await self._start(stop)
            self._readiness.accept(True)
            _log.info("ready to serve")
            await stop.wait()
        finally:
            await self._end()
        return not self._failed

    async def _start(self, stop: asyncio.Event) -> None:
        await self._http.start()
        for server in (self._grpc, *self._spec.servers):
            await server.start()
            self._servers.append(server)
        for work in self._spec.background:
            self._background.append(asyncio.create_task(self._watch(work, stop)))

    async def _watch(self, work: Hook, stop: asyncio.Event) -> None:
        try:
            await work()
        except Exception:
            _log.exception(
                "a background task failed, ending", extra={"task": getattr(work, "__qualname__", repr(work))}
            )
            self._failed = True
            stop.set()

    async def _end(self) -> None:
        deadline = time.monotonic() + self._drain_timeout
        _log.info("draining", extra={"timeout": self._drain_timeout})
        self._readiness.accept(False)
        if self._grpc in self._servers:
            await self._grpc.not_serving()
        for hook in self._spec.on_drain:
            await self._bounded(hook(), deadline - time.monotonic())
        left = max(0.1, deadline - time.monotonic())
        await asyncio.gather(*(self._bounded(server.drain(left), left) for server in self._servers))
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background, timeout=HOOK_SECONDS)
        for hook in self._spec.on_stop:
            # What calls left to do in the background may use the drain's time too.
            await self._bounded(hook(), deadline - time.monotonic())
        await self._http.stop()
        _log.info("stopped")

    async def _bounded(self, work: Awaitable[None], seconds: float) -> None:
        """Run one step of the end; a failure is logged and the others still get their turn."""
        try:
            async with asyncio.timeout(max(0.0, seconds) + HOOK_SECONDS):
                await work
        except Exception:
            _log.exception("a step of the shutdown failed")
            self._failed = True
