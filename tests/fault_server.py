"""A provider that misbehaves on demand: raw bytes over real TCP or TLS on loopback.

A script answers one request. It tells by `busy` whether one is still at work, so that a test can see that whoever asked
has let go of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

# Bytes of a piece of a body without an end.
PIECE = b"x" * 65536


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the request line, headers with small names, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.framed or orjson.loads(self.body).get("stream") is True

    @property
    def framed(self) -> bool:
        """Whether it is a stream of AWS's own framing, not of server-sent events."""
        return self.line.split()[1].endswith("/converse-stream")


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection of a client, in the hands of a script."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Sends bytes, as fast as the client takes them."""
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self) -> None:
        """Waits until the client has closed."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Connection, Request], Awaitable[None]]


class FaultServer:
    """One provider; `script` may be changed at any time. With `on_connect` it does not even read."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.on_connect: Callable[[Connection], None] | None = None
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""
        self._busy = 0
        self._serving: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._changed = asyncio.Condition()

    async def idle(self) -> None:
        """Waits until no script is at work."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._busy == 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection until its client or a script ends it."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)
        connection = Connection(reader, writer)
        if self.on_connect is not None:
            self.on_connect(connection)
            return
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                request = await _request(reader)
                self.requests.append(request)
                await self._count(1)
                try:
                    await self.script(connection, request)
                finally:
                    await self._count(-1)
        writer.close()

    async def end(self) -> None:
        """Ends what still goes on."""
        serving = dict(self._serving)
        for task, writer in serving.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _count(self, change: int) -> None:
        async with self._changed:
            self._busy += change
            self._changed.notify_all()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    return Request(head[0], headers, await reader.readexactly(int(headers["content-length"])))


@contextlib.asynccontextmanager
async def fault_server(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultServer]:
    """A server on a free port of loopback."""
    server = FaultServer(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        await server.end()


def head(content_type: str, *more: str, status: str = "200 OK") -> bytes:
    """A response's head; with neither a length nor chunks named, the body ends with the connection."""
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *more, "", "")).encode()


def whole(body: bytes, content_type: str = "application/json", *more: str, status: str = "200 OK") -> bytes:
    """A whole response."""
    return head(content_type, f"Content-Length: {len(body)}", *more, status=status) + body


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    """Pieces of a chunked body."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + (b"0\r\n\r\n" if end else b"")


EVENTS_HEAD = head("text/event-stream", "Transfer-Encoding: chunked")


def events(*data: bytes, end: bool = True) -> bytes:
    """A stream of events in chunks."""
    return EVENTS_HEAD + chunked(*(b"data: " + one + b"\n\n" for one in data), end=end)


def framed(kind: str, payload: bytes, message: str = "event") -> bytes:
    """A message of AWS's event streams: prelude, headers and payload, each part with its CRC-32."""
    named = {f":{message}-type": kind, ":message-type": message, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    checked = prelude + struct.pack(">I", zlib.crc32(prelude))
    whole_message = checked + headers + payload
    return whole_message + struct.pack(">I", zlib.crc32(whole_message))


FRAMES_HEAD = head("application/vnd.amazon.eventstream", "Transfer-Encoding: chunked", "x-amzn-requestid: r1")


def stream_head(request: Request) -> bytes:
    """The head of a good stream of the asked API."""
    return FRAMES_HEAD if request.framed else EVENTS_HEAD


def one_event(request: Request, data: bytes, *, error: bool = False) -> bytes:
    """A stream of the asked API with one event."""
    if request.framed and error:
        return FRAMES_HEAD + chunked(framed("internalServerException", data, "exception"))
    if request.framed:
        return FRAMES_HEAD + chunked(framed("contentBlockDelta", data))
    return events(b"", data)


def begun_event(request: Request) -> bytes:
    """The beginning of an event of the asked API, which says nothing of a near end."""
    if not request.framed:
        return b"data: "
    prelude = struct.pack(">II", 20 * 1024 * 1024, 0)
    return prelude + struct.pack(">I", zlib.crc32(prelude))


def says(response: bytes) -> Script:
    """A script that answers the same to everybody."""

    async def script(connection: Connection, request: Request) -> None:
        await connection.send(response)

    return script
