"""One kept HTTP/1.1 connection of the load generator, which costs a tenth of what an HTTP client library does.

With two cores the client's work is in every figure, so it is little: httptools parses, nothing is copied but the start
of an answer that is refused. It must never follow redirects, retry or hide a failure.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import cast

import httptools

# Bytes of a refusal that are kept, to say what went wrong.
KEPT = 300
_ERROR_EVENT = b'data: {"error"'


class FailedRequestError(Exception):
    """No answer, or not the one that was wanted."""


@dataclass(frozen=True)
class Answered:
    """When (`time.perf_counter`) the first byte of the body and the last one were there."""

    first: float
    last: float


class Connection(asyncio.Protocol):
    """Asks one thing at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answered] | None = None
        self._started: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._first = 0.0
        self._kept = b""
        self._failed = False

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._waiting is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        # uvloop's is one in all but its class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """A request under way has failed."""
        self._transport = None
        self._fail(f"the connection was lost: {error or 'closed'}")

    async def ask(self, request: bytes) -> Answered:
        """Sends a request and waits for the end of its answer.

        Raises:
            FailedRequestError: not a 200, an error inside, or the connection was lost.
        """
        waiting = self._send(request)
        try:
            return await waiting
        finally:
            self._waiting = None

    async def begin(self, request: bytes) -> None:
        """Sends a request and waits for the first byte of its answer's body; the answer stays open.

        Raises:
            FailedRequestError: as `ask`.
        """
        self._started = asyncio.get_running_loop().create_future()
        # Whoever only begins does not look at the end, which is a failure when the connection is closed.
        self._send(request).add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await self._started

    def close(self) -> None:
        """Closes, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, request: bytes) -> asyncio.Future[Answered]:
        if self._transport is None:
            raise FailedRequestError("the connection is closed")
        self._first, self._kept, self._failed = 0.0, b"", False
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Feeds the parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")
            self.close()

    def on_headers_complete(self) -> None:
        """Anything but a 200 has failed."""
        self._failed = self._parser.get_status_code() != 200

    def on_body(self, body: bytes) -> None:
        """Notes when it began, and whether an error is inside."""
        if not self._first:
            self._first = time.perf_counter()
            self._kept = body[:KEPT]
        if _ERROR_EVENT in body:
            self._failed, self._kept = True, body[:KEPT]
        if self._started is not None and not self._started.done():
            if self._failed:
                self._started.set_exception(FailedRequestError(self._said()))
            else:
                self._started.set_result(None)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._failed:
            self._fail(self._said())
        elif self._waiting is not None and not self._waiting.done():
            now = time.perf_counter()
            self._waiting.set_result(Answered(self._first or now, now))
        if self._transport is not None and not self._parser.should_keep_alive():
            self._transport.close()

    def _said(self) -> str:
        return f"{self._parser.get_status_code()}: {self._kept.decode('utf-8', 'replace')}"

    def _fail(self, why: str) -> None:
        for future in (self._waiting, self._started):
            if future is not None and not future.done():
                future.set_exception(FailedRequestError(why))
