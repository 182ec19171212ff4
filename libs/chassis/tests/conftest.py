"""Fixtures of the chassis' tests: an authority, a server on loopback, clients of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from amas_chassis import telemetry
from amas_chassis.channels import Client, ClientChannels
from amas_chassis.grpc_server import GrpcServer, GrpcService
from amas_chassis.interceptors import internal_interceptor
from amas_chassis.mux import client as mux_channel
from amas_chassis.tls import TlsFiles, server_credentials

from .authority import Authority
from .echo import ECHO, REPEAT, EchoStub
from .processes import Start, starter

# Time-out of a call that names none: bound of a hang, not of a machine with much else to do (seconds).
SECONDS = 60
CALLERS = {ECHO: frozenset({"friend", "server"}), REPEAT: frozenset({"friend"})}


class Loopback:
    """Servers and clients of one test."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self._exits = contextlib.AsyncExitStack()

    async def serve(self, service: GrpcService, *, listen: str = "127.0.0.1:0", **options: Any) -> GrpcServer:
        """A running server of `service` that lets `friend` call it."""
        credentials = server_credentials(self.authority.issue("server"))
        server = GrpcServer(listen, [service], [internal_interceptor("amas.internal", CALLERS)], credentials, **options)
        await server.start()
        self._exits.push_async_callback(server.drain, 0.0)
        return server

    def channels(self, caller: str = "friend", *, tls: TlsFiles | None = None, **options: Any) -> ClientChannels:
        """Channels of `caller`, closed with the test."""
        channels = ClientChannels(tls or self.authority.issue(caller), caller, **options)
        self._exits.push_async_callback(channels.close)
        return channels

    def client(self, server: GrpcServer, caller: str = "friend", **options: Any) -> Client[EchoStub]:
        """A client of `server` with a certificate of `caller`."""
        return self.channels(caller, **options).client(EchoStub, server.address, "server", default_timeout=SECONDS)

    async def close(self) -> None:
        """Close clients, then servers."""
        await self._exits.aclose()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A root of its own for each test."""
    return Authority(tmp_path)


@pytest.fixture
async def loopback(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loopback]:
    """Servers and clients that are closed with the test."""
    monkeypatch.setattr(mux_channel, "WAIT_SECONDS", SECONDS)
    telemetry.configure("test", None)
    made = Loopback(authority)
    yield made
    await made.close()


@pytest.fixture
def environment(authority: Authority, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The variables of a service under the prefix AMAS_TEST_."""

    def make(**changes: str) -> dict[str, str]:
        files = authority.issue("server")
        values = {
            "GRPC_LISTEN": f"unix:{tmp_path}/server.sock",
            "HTTP_LISTEN": "127.0.0.1:0",
            "TLS_CERT_FILE": str(files.cert),
            "TLS_KEY_FILE": str(files.key),
            "TLS_CA_FILE": str(files.ca),
        }
        return {f"AMAS_TEST_{name}": value for name, value in (values | changes).items()}

    return make


@pytest.fixture
def start(environment: Callable[..., dict[str, str]], tmp_path: Path) -> Start:
    """Starts the program of `running.py` in the test's folder."""
    return starter(environment, tmp_path)
