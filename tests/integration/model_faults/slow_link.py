"""A TCP proxy whose answers can be held up: a server that is slow, without touching the server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

PIECE_BYTES = 64 * 1024


class SlowLink:
    """Passes bytes on to a port of this machine; what the server says waits `delay` seconds, in order."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[Any]] = set()
        self.delay = 0.0
        self.port = 0

    async def start(self) -> None:
        """Listens on a free port."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends all connections."""
        if self._listener is not None:
            self._listener.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        task.add_done_callback(self._links.discard)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            # As one sees it whose connection a dead server's machine refuses a moment later.
            writer.transport.abort()
            return
        asking = asyncio.ensure_future(self._pass(reader, to_writer, slow=False))
        answering = asyncio.ensure_future(self._pass(to_reader, writer, slow=True))
        try:
            await asyncio.wait((asking, answering), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asking.cancel()
            answering.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)
            writer.transport.abort()
            to_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                if slow and self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()
