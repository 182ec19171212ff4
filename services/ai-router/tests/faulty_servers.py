"""Providers that misbehave over real HTTP: what each fault does to a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .fakes import answer, chunk

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FOREVER = 3600
SEEN: web.AppKey[list[Any]] = web.AppKey("seen", list)


async def good(request: web.Request) -> web.StreamResponse:
    """A provider that works, streaming or not."""
    body = await request.json()
    request.app[SEEN].append((request, body))
    if not body.get("stream"):
        return web.Response(body=answer().body, content_type="application/json")
    response = await events(request)
    for data in (chunk(), chunk("hel"), chunk("lo"), chunk("", finish="stop")):
        await response.write(b"data: " + data + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


async def events(request: web.Request) -> web.StreamResponse:
    """The beginning of a stream."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def reset(request: web.Request) -> web.StreamResponse:
    """A connection that is reset before any answer."""
    transport = request.transport
    assert transport is not None
    transport.abort()
    return web.Response()


def status(code: int, body: bytes = b'{"error": {"message": "no", "type": "t"}}', **headers: str) -> Handler:
    """A provider that answers with a status."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, body=body, content_type="application/json", headers=headers)

    return handle


async def slow_headers(request: web.Request) -> web.StreamResponse:
    """Nothing comes."""
    await asyncio.sleep(FOREVER)
    return web.Response()


async def slow_body(request: web.Request) -> web.StreamResponse:
    """Headers and a beginning come, then nothing."""
    body = await request.json()
    if body.get("stream"):
        response = await events(request)
        await response.write(b"data: " + chunk() + b"\n\n")
    else:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"choices": ')
    await asyncio.sleep(FOREVER)
    return response


def raw(body: bytes, content_type: str = "application/json") -> Handler:
    """Any bytes under 200, as a stream where one was asked for."""

    async def handle(request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        if wanted.get("stream") and content_type == "application/json":
            return web.Response(body=b"data: " + body + b"\n\n", content_type="text/event-stream")
        return web.Response(body=body, content_type=content_type)

    return handle


async def cut_body(request: web.Request) -> web.StreamResponse:
    """A body that ends before its declared length; a stream that ends before its first token."""
    body = await request.json()
    if body.get("stream"):
        return await events(request)
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(answer().body)
    assert request.transport is not None
    request.transport.close()
    return response


async def endless(request: web.Request) -> web.StreamResponse:
    """A body that never ends; a stream whose first event never ends."""
    body = await request.json()
    if body.get("stream"):
        response = await events(request)
        await response.write(b"data: ")
    else:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
    piece = b"x" * 65536
    while True:
        await response.write(piece)


class Server:
    """A provider on a free port; `handler` may be changed at any time."""

    def __init__(self) -> None:
        self.handler: Handler = good
        self.seen: list[tuple[web.Request, Any]] = []
        self.gone = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Misbehaves, and notes a client that goes away."""
        try:
            return await self.handler(request)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise
