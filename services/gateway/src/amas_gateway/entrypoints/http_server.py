"""uvicorn as one of the servers of the process: it binds early, with a clear sentence, and drains late.

On a drain it first goes on accepting for a moment and closes connections after their response, so that clients with
kept connections move on without a lost request; then it stops listening, serves what the kernel had accepted by then,
gives a connection without a request a moment for its first one (or for its TLS handshake), and waits for what is under
way. It must never take a connection from the kernel and drop it unserved within that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from amas_chassis.service import ListenError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

# Connections that wait for accept(2).
BACKLOG = 2048
# Connections served at once, most of them streams that wait for a token; more get a 503 from uvicorn.
MAX_CONNECTIONS = 16_384
KEEP_ALIVE_SECONDS = 30
# Longest time, and largest part of the drain, in which new requests are still taken.
LINGER_SECONDS = 1.0
LINGER_PART = 0.2
# Longest time, and largest part of the drain, that a connection without a request has for its first one.
FIRST_REQUEST_SECONDS = 1.0
FIRST_REQUEST_PART = 0.2
# How often connections without a request are looked at in that time (seconds).
FIRST_REQUEST_POLL_SECONDS = 0.02
START_TIMEOUT_SECONDS = 10.0

_log = logging.getLogger(__name__)


class _State(ServerState):
    """uvicorn's, and the connections that have not begun a request: `connections` lacks those in a TLS handshake."""

    def __init__(self) -> None:
        super().__init__()
        # Weak, since nothing tells a protocol that its handshake failed.
        self.unasked: weakref.WeakSet[HttpToolsProtocol] = weakref.WeakSet()


class _Protocol(HttpToolsProtocol):
    """uvicorn's, counted in `_State.unasked` from the moment that it is accepted to its first request."""

    server_state: _State

    def __init__(self, **made_with: Any) -> None:
        super().__init__(**made_with)
        self.server_state.unasked.add(self)

    def on_headers_complete(self) -> None:
        """A request has begun."""
        super().on_headers_complete()
        self.server_state.unasked.discard(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        self.server_state.unasked.discard(self)


class _Uvicorn(uvicorn.Server):
    server_state: _State

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = _State()
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
            http=_Protocol,
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
        self._late: set[asyncio.Task[Any]] = set()
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
        until = time.monotonic() + timeout
        self._draining.set()
        if self._server.server_state.connections:
            await asyncio.sleep(min(LINGER_SECONDS, timeout * LINGER_PART))
        self._stop_listening()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(FIRST_REQUEST_SECONDS, timeout * FIRST_REQUEST_PART)):
                await self._first_requests()
        self._config.timeout_graceful_shutdown = max(1, int(until - time.monotonic()))
        self._server.should_exit = True
        await self._serving
        for handshake in self._late:
            handshake.cancel()

    def _stop_listening(self) -> None:
        """No further connection is taken; those that a client already has are served."""
        for server in self._server.servers:
            server.close()
        if self._listener is None:
            return
        loop = asyncio.get_running_loop()
        with self._listener as listener:
            # Taken at once, and served after the socket is closed: TCP resets what comes to its queue in between.
            waiting = list(_accepted(listener))
        for connection in waiting:
            serving = loop.create_task(
                loop.connect_accepted_socket(self._protocol, connection, ssl=self._config.ssl), name="accepted late"
            )
            self._late.add(serving)
            serving.add_done_callback(self._late_began)

    def _protocol(self) -> _Protocol:
        server = self._server
        return _Protocol(config=self._config, server_state=server.server_state, app_state=server.lifespan.state)

    def _late_began(self, serving: asyncio.Task[Any]) -> None:
        """Forgets it. A TLS handshake that fails is its client's loss alone."""
        self._late.discard(serving)
        if not serving.cancelled() and (error := serving.exception()):
            _log.debug("a connection ended before its first request", extra={"error": repr(error)})

    async def _first_requests(self) -> None:
        """Until each connection has begun a request, or is gone."""
        while self._late or self._server.server_state.unasked:  # noqa: ASYNC110 - a failed handshake has no event
            await asyncio.sleep(FIRST_REQUEST_POLL_SECONDS)


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """What waits for accept(2), until nothing does or nothing more can be held."""
    while True:
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                _log.warning("connections that waited could not be accepted", extra={"error": str(error)})
            return
        connection.setblocking(False)
        yield connection


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
