"""The end of the public HTTP server: a client that has a connection gets an answer on it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from amas_gateway.entrypoints.http_server import HttpServer

REQUEST = b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n"
# Long enough for a machine with much else to do: nothing waits it out.
DRAIN_SECONDS = 60.0


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers 204."""
    await send({"type": "http.response.start", "status": 204, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def server() -> HttpServer:
    made = HttpServer(app, "127.0.0.1:0", asyncio.Event(), DRAIN_SECONDS)
    await made.start()
    return made


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


async def test_a_connection_that_waits_for_accept_is_served(server: HttpServer) -> None:
    """The listening socket is closed only once nobody stands at it."""
    clients = [connected(server) for _ in range(20)]
    for client in clients:
        client.sendall(REQUEST)
    await server.drain(DRAIN_SECONDS)
    for client in clients:
        assert (await answer(client)).startswith(b"HTTP/1.1 204 ")
        client.close()


async def test_a_connection_that_never_asks_does_not_hold_the_end(server: HttpServer) -> None:
    """It is closed without an answer."""
    client = connected(server)
    await server.drain(0.5)
    assert await answer(client) == b""
    client.close()
