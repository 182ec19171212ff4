"""A bare asynchronous pass-through on the HTTP stack that we use too: plain ASGI on uvicorn, aiohttp behind it.

    python -m tests.load.router.passthrough PORT BASE_URL

No hop, no token, no budget, no record: what the two libraries cost. Whatever stands in our way besides is ours.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
import uvicorn
import uvloop

CONNECTIONS = 0
"""aiohttp's word for no bound: the load generator has one."""


class PassThrough:
    """The ASGI application."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self._url = base_url + "/chat/completions"
        self._session = session

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hands a request on and its answer back, as it comes."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {"content-type": "application/json", "authorization": "Bearer scripted"}
        async with self._session.post(self._url, data=body, headers=headers) as answer:
            kind = answer.headers.get("content-type", "").encode()
            head = [(b"content-type", kind)]
            if answer.content_length is not None:
                whole = await answer.read()
                head.append((b"content-length", b"%d" % len(whole)))
                await send({"type": "http.response.start", "status": answer.status, "headers": head})
                await send({"type": "http.response.body", "body": whole})
                return
            await send({"type": "http.response.start", "status": answer.status, "headers": head})
            async for part in answer.content.iter_any():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def serve(port: int, base_url: str) -> None:
    """Answers until it is told to stop."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        config = uvicorn.Config(
            PassThrough(base_url, session),
            port=port,
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
