"""A world behind the real uvicorn on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amas_gateway.entrypoints.http_server import HttpServer

from .world import World

# Short: a fifth of it is spent lingering at the end of every test.
DRAIN_SECONDS = 1.0
# Seconds that a client waits for an answer: the bound of a hang, not of a machine with much else to do.
CLIENT_SECONDS = 60.0


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[str]:
    """The base URL of the served world."""
    server = HttpServer(world.http(), "127.0.0.1:0", world.draining, DRAIN_SECONDS)
    await server.start()
    try:
        yield f"http://{server.address}"
    finally:
        await server.drain(DRAIN_SECONDS)
