"""The end of the public HTTP server: a client that has a connection gets an answer on it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from amas_cli.local.authority import CertificateFiles
from amas_gateway.entrypoints import http_server
from amas_gateway.entrypoints.http_server import HttpServer

from conftest import Certificates

REQUEST = b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n"
# Long enough for a machine with much else to do: nothing waits it out.
DRAIN_SECONDS = 300.0
# Turns of the loop in which a server that did not wait for its clients would have gone on with its end.
TURNS = 20


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers 204."""
    await send({"type": "http.response.start", "status": 204, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b""})


async def started(files: CertificateFiles | None = None) -> HttpServer:
    made = HttpServer(app, "127.0.0.1:0", asyncio.Event(), DRAIN_SECONDS, (files.cert, files.key) if files else None)
    await made.start()
    return made


@pytest.fixture(autouse=True)
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request comes while the server lingers, and the moment for first requests does not pass."""
    monkeypatch.setattr(http_server, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(http_server, "FIRST_REQUEST_SECONDS", DRAIN_SECONDS)


@pytest.fixture
async def server() -> HttpServer:
    return await started()


@pytest.fixture
async def encrypted(certificates: Certificates) -> HttpServer:
    return await started(certificates.files("gateway"))


def connected(server: HttpServer) -> socket.socket:
    """A connection that the kernel accepted, and the server did not see yet: the loop had no turn."""
    host, _, port = server.address.rpartition(":")
    made = socket.create_connection((host, int(port)))
    made.setblocking(False)
    return made


async def answer(client: socket.socket) -> bytes:
    """All that comes, until the server closes."""
    loop, came = asyncio.get_running_loop(), b""
    while part := await loop.sock_recv(client, 4096):
        came += part
    return came


async def until(holds: Callable[[], bool]) -> None:
    """Gives the loop its turns."""
    while not holds():  # noqa: ASYNC110 - what it looks at has no event
        await asyncio.sleep(0)


async def seen(server: HttpServer) -> None:
    """The server knows of a connection without a request."""
    await until(lambda: len(server._server.server_state.unasked) > 0)


@contextlib.asynccontextmanager
async def ending(server: HttpServer) -> AsyncIterator[None]:
    """Inside, the server has been told to end and refuses connections; after it, it has ended."""
    end = asyncio.create_task(server.drain(DRAIN_SECONDS))
    await until(lambda: server._listener is None or server._listener.fileno() < 0)
    with pytest.raises(ConnectionRefusedError):
        connected(server)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert not server._server.should_exit, "uvicorn closes connections without a request from here on"
    yield
    await end


async def test_a_connection_that_waits_for_accept_is_served(server: HttpServer) -> None:
    """The listening socket is closed only once nobody stands at it."""
    clients = [connected(server) for _ in range(20)]
    for client in clients:
        client.sendall(REQUEST)
    await server.drain(DRAIN_SECONDS)
    for client in clients:
        assert (await answer(client)).startswith(b"HTTP/1.1 204 ")
        client.close()


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "waits for accept"])
async def test_a_first_request_on_its_way_is_served(server: HttpServer, accepted: bool) -> None:
    """The client connected before the end, and its request comes when nobody can connect any more."""
    client = connected(server)
    if accepted:
        await seen(server)
    async with ending(server):
        client.sendall(REQUEST)
        assert (await answer(client)).startswith(b"HTTP/1.1 204 ")
    client.close()


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "waits for accept"])
async def test_a_handshake_on_its_way_is_served(
    encrypted: HttpServer, certificates: Certificates, accepted: bool
) -> None:
    """As above, where even the TLS handshake comes late."""
    client = connected(encrypted)
    if accepted:
        await seen(encrypted)
    context = ssl.create_default_context(cafile=certificates.files("gateway").ca)
    context.check_hostname = False
    async with ending(encrypted):
        reader, writer = await asyncio.open_connection(sock=client, ssl=context, server_hostname="gateway")
        writer.write(REQUEST)
        assert (await reader.read()).startswith(b"HTTP/1.1 204 ")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_a_connection_that_never_asks_does_not_hold_the_end(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed without an answer, whether the server saw it or not."""
    monkeypatch.setattr(http_server, "FIRST_REQUEST_SECONDS", 0.1)
    accepted = connected(server)
    await seen(server)
    waits = connected(server)
    await server.drain(DRAIN_SECONDS)
    assert [await answer(client) for client in (accepted, waits)] == [b"", b""]
    accepted.close()
    waits.close()


async def test_a_handshake_that_never_begins_does_not_hold_the_end(
    encrypted: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain does not last until asyncio gives a handshake up (60 s)."""
    monkeypatch.setattr(http_server, "FIRST_REQUEST_SECONDS", 0.1)
    client = connected(encrypted)
    async with asyncio.timeout(50):
        await encrypted.drain(DRAIN_SECONDS)
        assert await answer(client) == b""
    client.close()
