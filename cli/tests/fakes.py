"""A gateway for tests: the REST API's shapes over real HTTP, with answers that a test chooses."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    # Values by name; a name may be there more than once.
    query: Any


@dataclass
class FakeGateway:
    """Answers by path; an unknown one is a 404 problem."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    handlers: dict[tuple[str, str], Handler] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        key = (request.method, request.path)
        self.asked.append(Asked(*key, dict(request.headers), json.loads(text) if text else None, request.query))
        if key in self.handlers:
            return await self.handlers[key](request)
        if key in self.answers:
            return web.json_response(self.answers[key])
        problem = {"status": 404, "reason": "NOT_FOUND", "detail": "There is no such thing.", "title": "Not found"}
        return web.json_response(problem, status=404, content_type="application/problem+json")


@asynccontextmanager
async def serving(gateway: FakeGateway) -> AsyncIterator[FakeGateway]:
    """The fake on a free port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gateway.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        await runner.cleanup()


def state_changed(sequence: int, state: str) -> dict[str, Any]:
    """A RunEvent as the gateway sends it (protobuf JSON mapping: camelCase, 64-bit integers as texts)."""
    return {
        "runId": "run-1",
        "sequence": str(sequence),
        "time": f"2026-11-23T10:00:0{sequence}Z",
        "runStateChanged": {"state": f"RUN_STATE_{state}"},
    }
