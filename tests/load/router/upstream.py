"""The scripted provider: a process that answers OpenAI chat completions as cheaply as Python can, and fails on demand.

    python -m tests.load.router.upstream PORT

The first part of the path says how it behaves, so that it keeps no state: /ok answers, /reset closes the connection
with a reset, /hang never answers, /idle sends a stream's first token and then nothing. It must never be what limits a
measurement: no framework, one parse of the head, answers made once.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import cast

import httptools
import uvloop

from .payloads import STREAMS, completion, events

# Seconds between the chunks of a stream: apart, as a model sends them, so that nobody reads two at once.
CHUNK_INTERVAL_S = 0.002
BACKLOG = 16_384
# Bytes of `"stream": true`, with room for spaces.
LONGEST_WISH = 24
_RESET = struct.pack("ii", 1, 0)


def _head(kind: bytes, length: int | None) -> bytes:
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    return b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n" + framing + b"\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_BODY = completion()
WHOLE = _head(b"application/json", len(_BODY)) + _BODY
_EVENTS = [_chunk(event) for event in events()]
# The head and the first chunk leave together, as they do from servers that wait for the first token.
PARTS = [_head(b"text/event-stream", None) + _EVENTS[0], *_EVENTS[1:-1], _EVENTS[-1] + b"0\r\n\r\n"]


class Provider(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._stream = False
        self._tail = b""
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        # uvloop's is one in all but its class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; anything that is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more is sent."""
        self._transport = None
        if self._next is not None:
            self._next.cancel()

    def on_url(self, url: bytes) -> None:
        """A new request."""
        self._path, self._stream, self._tail = url, False, b""

    def on_body(self, body: bytes) -> None:
        """Looks for the wish for a stream; long bodies come in parts, and it may be cut in two."""
        self._stream = self._stream or STREAMS.search(self._tail + body) is not None
        self._tail = body[-LONGEST_WISH:]

    def on_message_complete(self) -> None:
        """Answers in the way that the path names."""
        assert self._transport is not None
        match self._path.split(b"/", 2)[1]:
            case b"hang":
                return
            case b"reset":
                _reset(self._transport)
            case b"idle":
                self._transport.write(PARTS[0] + PARTS[1])
            case _ if self._stream:
                self._send(0)
            case _:
                self._transport.write(WHOLE)

    def _send(self, number: int) -> None:
        if self._transport is None:
            return
        self._transport.write(PARTS[number])
        if number + 1 < len(PARTS):
            self._next = asyncio.get_running_loop().call_later(CHUNK_INTERVAL_S, self._send, number + 1)


def _reset(transport: asyncio.Transport) -> None:
    """Closes so that the other side gets ECONNRESET."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


async def serve(port: int) -> None:
    """Answers until it is killed."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
