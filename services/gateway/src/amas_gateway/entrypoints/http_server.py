"""uvicorn as one of the servers of the process: it binds early, with a clear sentence, and drains late.

On a drain it first goes on accepting for a moment and closes connections after their response, so that clients with
kept connections move on without a lost request; then it stops listening, serves what the kernel had accepted by then,
and waits for what is under way. It must never close a connection whose first request may be on its way already.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from amas_chassis.service import ListenError

# Connections that wait for accept(2).
BACKLOG = 2048
# Connections served at once, most of them streams that wait for a token; more get a 503 from uvicorn.
MAX_CONNECTIONS = 16_384
KEEP_ALIVE_SECONDS = 30
# Longest time, and largest part of the drain, in which new requests are still taken.
LINGER_SECONDS = 1.0
LINGER_PART = 0.2
# How often connections without a request are looked at (seconds).
FIRST_REQUEST_POLL_SECONDS = 0.02
START_TIMEOUT_SECONDS = 10.0

_log = logging.getLogger(__name__)


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's own, and a sign that it is done."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the chassis."""
        yield


class HttpServer:
    """The chassis's `Server` protocol over uvicorn."""

    def __init__(
        self,
        app: Any,
        listen: str,
        draining: asyncio.Event,
        drain_timeout: float,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self._listen = listen
        self._draining = draining
        certificate, key = tls or (None, None)
        self._config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            backlog=BACKLOG,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(drain_timeout)),
            ssl_certfile=certificate,
            ssl_keyfile=str(key) if key else None,
        )
        self._server = _Uvicorn(self._config)
        self._serving: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None
        self.address = listen

    async def start(self) -> None:
        """Binds and serves. Raises ListenError with one sentence."""
        bound = _bind(self._listen)
        self.address = f"{self._listen.rpartition(':')[0]}:{bound.getsockname()[1]}"
        # uvicorn closes its own; connections that wait for accept(2) then are reached by this one.
        self._listener = bound.dup()
        self._serving = asyncio.create_task(self._server.serve(sockets=[bound]))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait(
            (self._serving, listening), timeout=START_TIMEOUT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not self._server.listening.is_set():
            listening.cancel()
            self._serving.cancel()
            self._listener.close()
            raise ListenError(f"{self._listen} cannot be listened on: the HTTP server did not start")
        _log.info("public HTTP listening", extra={"address": self.address})

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the Server protocol's signature
        """Ends streams and idle connections, lets requests end, at most `timeout` seconds."""
        if self._serving is None:
            return
        self._draining.set()
        linger = min(LINGER_SECONDS, timeout * LINGER_PART) if self._server.server_state.connections else 0.0
        await asyncio.sleep(linger)
        await self._stop_listening()
        settle = min(LINGER_SECONDS, timeout * LINGER_PART)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_requests(), settle)
        self._config.timeout_graceful_shutdown = max(1, int(timeout - linger - settle))
        self._server.should_exit = True
        await self._serving

    async def _stop_listening(self) -> None:
        """No further connection is taken; those that a client already has are served."""
        for server in self._server.servers:
            server.close()
        waiting: list[socket.socket] = []
        if self._listener is not None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting.append(self._listener.accept()[0])
            self._listener.close()
        # A TLS handshake that fails is its client's loss alone.
        await asyncio.gather(*map(self._serve_accepted, waiting), return_exceptions=True)

    async def _serve_accepted(self, connection: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn makes it
                config=self._config, server_state=self._server.server_state, app_state=self._server.lifespan.state
            )
            return made

        connection.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection, ssl=self._config.ssl)

    async def _first_requests(self) -> None:
        """Until each connection has begun a request, or is gone."""
        while any(getattr(made, "cycle", None) is None for made in self._server.server_state.connections):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(FIRST_REQUEST_POLL_SECONDS)


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise ListenError(f"{listen} cannot be listened on: it is not host:port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host.strip("[]"), int(port)))
    except OSError as error:
        bound.close()
        why = "another process listens there" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ListenError(f"{listen} cannot be listened on: {why}") from error
    bound.setblocking(False)
    return bound
