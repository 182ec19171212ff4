"""A grpc.aio server with health, reflection and our interceptors; a process may run several.

It must never share its port: a second process that asks for the same one is told so.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from .channels import MAX_MESSAGE_BYTES
from .interceptors import public_interceptor
from .mux.server import MuxServer
from .readiness import Readiness
from .server_calls import CallInterceptor, Layer
from .tls import TlsFiles, server_credentials

__all__ = ["GrpcServer", "GrpcService", "ListenError", "public_server"]

_log = logging.getLogger(__name__)

# Calls served at once; more are refused with RESOURCE_EXHAUSTED rather than queued without bound.
# A watcher holds one for as long as it watches.
MAX_CONCURRENT_CALLS = 5_000
# How long a connection lives before its calls are asked to end and the peer to connect anew (seconds, give or take a
# tenth). Clients look a name up only then: so long a new replica may go without calls. A handshake costs about 2 ms.
CONNECTION_AGE_SECONDS = 60.0
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class ListenError(Exception):
    """An address cannot be listened on; the text is one sentence for the operator."""


@dataclass(frozen=True)
class GrpcService:
    """A servicer and how to add it: the generated `add_XServicer_to_server`."""

    full_name: str
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object


class GrpcServer:
    """One listening server. `credentials` None means plaintext, for a listener behind a proxy that ends TLS."""

    def __init__(
        self,
        listen: str,
        services: Sequence[GrpcService],
        interceptors: Sequence[grpc.aio.ServerInterceptor[Any, Any]],
        credentials: grpc.ServerCredentials | None,
        ready: Callable[[], Awaitable[bool]] | None = None,
        connection_age: float = CONNECTION_AGE_SECONDS,
        max_request_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._listen = listen
        self._connection_age = connection_age
        self._max_request_bytes = max_request_bytes
        self._services = tuple(services)
        self._interceptors = tuple(interceptors)
        self._credentials = credentials
        self._health = _Health(ready)
        self._server: grpc.aio.Server | None = None
        self._mux: MuxServer | None = None
        self.address = listen

    async def start(self) -> None:
        """Bind and serve. Raises ListenError."""
        _refuse_socket_in_use(self._listen)
        server = grpc.aio.server(
            interceptors=self._interceptors,
            options=_server_options(self._connection_age, self._max_request_bytes),
            maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS,
        )
        for service in self._services:
            service.add(service.servicer, server)
        self._mux = self._carrying(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [service.full_name for service in self._services]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        self.address = self._bind(server)
        await server.start()
        self._server = server
        await self._health.announce(["", *names], serving=True)
        _log.info("gRPC listening", extra={"address": self.address})

    async def not_serving(self) -> None:
        """Tell health checks that no new work should come."""
        names = [service.full_name for service in self._services]
        await self._health.announce(["", *names], serving=False)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - the Server protocol's signature
        """Stop accepting and wait for the calls under way, at most `timeout` seconds; then cancel them."""
        if self._server is None:
            return
        server, self._server = self._server, None
        await self.not_serving()
        if self._mux is not None:
            self._mux.drain()
        await server.stop(timeout)

    def _carrying(self, server: grpc.aio.Server) -> MuxServer | None:
        """The same services on multiplexed streams, where an interceptor says who may open one."""
        for interceptor in self._interceptors:
            if isinstance(interceptor, CallInterceptor) and interceptor.carries_streams:
                mux = MuxServer(interceptor.guarded, self._connection_age)
                for service in self._services:
                    # The generated function calls nothing but the two methods that take handlers.
                    service.add(service.servicer, mux)  # type: ignore[arg-type]
                server.add_generic_rpc_handlers((mux.handler(),))
                return mux
        return None

    def _bind(self, server: grpc.aio.Server) -> str:
        try:
            if self._credentials is None:
                port = server.add_insecure_port(self._listen)
            else:
                port = server.add_secure_port(self._listen, self._credentials)
        except RuntimeError as error:
            raise ListenError(f"{self._listen} cannot be listened on: in use, or not an address of ours") from error
        if self._listen.startswith("unix:"):
            return self._listen
        return f"{self._listen.rpartition(':')[0]}:{port}"


def public_server(
    listen: str,
    services: Sequence[GrpcService],
    *,
    tls: TlsFiles | None,
    layers: Sequence[Layer] = (),
    interceptors: Iterable[grpc.aio.ServerInterceptor[Any, Any]] = (),
    checks: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
    connection_age: float = CONNECTION_AGE_SECONDS,
    max_request_bytes: int = MAX_MESSAGE_BYTES,
) -> GrpcServer:
    """A server for outsiders: server-only TLS (None: plaintext), no caller list, the same errors and validation.

    `layers` run around each call, inside error mapping and before validation, and may raise AmasError (authentication,
    limits); `interceptors` are plain grpc.aio ones, outermost; health says SERVING while `checks` pass. Give it to
    ServiceSpec.servers. A message is read before a layer sees its call: `max_request_bytes` bounds what outsiders fill.
    """
    readiness = Readiness(checks or {})
    readiness.accept(True)
    credentials = None if tls is None else server_credentials(tls, require_client_certificate=False)
    guards = [*interceptors, public_interceptor(*layers)]
    return GrpcServer(listen, services, guards, credentials, readiness.ready, connection_age, max_request_bytes)


class _Health(health.aio.HealthServicer):  # type: ignore[misc, name-defined]  # the package has no types
    """grpc.health.v1 that asks the readiness checks before it says SERVING."""

    def __init__(self, ready: Callable[[], Awaitable[bool]] | None) -> None:
        super().__init__()
        self._ready = ready
        self._announced: dict[str, int] = {}
        self._draining = False
        self._changing = asyncio.Lock()

    async def announce(self, names: Iterable[str], *, serving: bool) -> None:
        self._draining = not serving
        async with self._changing:
            for name in names:
                self._announced[name] = _SERVING if serving else _NOT_SERVING
                await self.set(name, self._announced[name])

    async def Check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: N802 - grpc's name
        if self._ready is not None and not self._draining:
            status = _SERVING if await self._ready() else _NOT_SERVING
            async with self._changing:
                for name in self._announced:
                    if not self._draining and self._announced[name] != status:
                        self._announced[name] = status
                        await self.set(name, status)
        return await super().Check(request, context)


def _server_options(connection_age: float, max_request_bytes: int) -> list[tuple[str, Any]]:
    return [
        # grpc's default lets two processes share a port and split its calls between them.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Peers shake hands again now and then: an expired certificate ends, and new replicas get their share.
        ("grpc.max_connection_age_ms", round(connection_age * 1_000)),
        # What our clients send must not be taken for abuse.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _refuse_socket_in_use(listen: str) -> None:
    """grpc replaces a socket file, also one that a living process listens on; a dead one's may be replaced."""
    if not listen.startswith("unix:"):
        return
    path = Path(listen.removeprefix("unix:"))
    if not path.parent.is_dir():
        raise ListenError(f"{listen} cannot be listened on: the folder {path.parent} does not exist")
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise ListenError(f"{listen} cannot be listened on: {path} exists and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise ListenError(f"{listen} cannot be listened on: another process does")
