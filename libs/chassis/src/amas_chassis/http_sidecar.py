"""The HTTP port beside gRPC: /healthz, /readyz and /metrics, for probes and Prometheus.

Plain HTTP on a port that the platform keeps inside. It must never serve anything that belongs to a tenant.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from .grpc_server import ListenError
from .readiness import Readiness

__all__ = ["HttpSidecar"]

_log = logging.getLogger(__name__)


class HttpSidecar:
    """Serves the probes and the metrics of one process."""

    def __init__(
        self,
        listen: str,
        readiness: Readiness,
        registry: CollectorRegistry = REGISTRY,
        *,
        notes: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._listen = listen
        self._notes = notes
        self._readiness = readiness
        self._registry = registry
        self._runner: web.AppRunner | None = None
        self.address = listen

    async def start(self) -> None:
        """Bind and serve. Raises ListenError."""
        host, _, port = self._listen.rpartition(":")
        if not host or not port.isdigit():
            raise ListenError(f"{self._listen} cannot be listened on: it is not host:port")
        app = web.Application(client_max_size=1024)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port), reuse_port=False).start()
        except OSError as error:
            await runner.cleanup()
            # Event loops word it differently, the operating system does not.
            problem = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(f"{self._listen} cannot be listened on: {problem}") from error
        self._runner = runner
        self.address = f"{host}:{runner.addresses[0][1]}"
        _log.info("HTTP listening", extra={"address": self.address})

    async def stop(self) -> None:
        """Close the port; probes under way are answered first."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _healthz(self, _request: web.Request) -> web.Response:
        # Answering at all is the proof: a stuck event loop does not.
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        problems = await self._readiness.problems()
        if problems:
            return web.json_response({"status": "not ready", "failing": problems}, status=503)
        notes = self._notes()
        return web.json_response({"status": "ready", **({"notes": dict(notes)} if notes else {})})

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
