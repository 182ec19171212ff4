"""A run's events as server-sent events (WHATWG HTML section 9.2), resumable by `Last-Event-ID`.

The stream ends when the run has ended, when the client goes away or reads too slowly, when its token ends, or when the
gateway drains: in the last cases with a `retry` hint, since nothing is lost by coming back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Literal

import orjson
from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from fastapi import Response
from google.protobuf.message import Message

from amas_gateway.domain.errors import TokenFault, token_refused
from amas_gateway.domain.model import RunEvent
from amas_gateway.entrypoints import http_errors
from amas_gateway.entrypoints.http_edge import Receive, Scope, Send
from amas_gateway.entrypoints.rest.rendering import as_json

# What a client should wait before it comes back (milliseconds).
RETRY_MS = 1000
# A client that takes longer to read one event is dropped (seconds): it may resume.
SEND_TIMEOUT_SECONDS = 30.0

_RETRY = b"retry: %d\n\n" % RETRY_MS
_HEARTBEAT = b": heartbeat\n\n"
_DRAINING = b": draining\n" + _RETRY


class EventStream(Response):
    """An ASGI response that owns the iterator it sends and the place it holds."""

    def __init__(
        self,
        events: AsyncGenerator[RunEvent],
        hold: AbstractContextManager[None],
        clock: Clock,
        draining: asyncio.Event,
        heartbeat: float,
        expires_at: float,
    ) -> None:
        self.status_code = 200
        self.background = None
        self._events = events
        self._held = ExitStack()
        self._held.enter_context(hold)
        self._clock = clock
        self._draining = draining
        self._heartbeat = heartbeat
        self._expires_at = expires_at
        self._next: asyncio.Future[RunEvent | None] | None = None

    async def peek(self) -> bool:
        """Whether there is an event at all; the event is kept for the stream."""
        self._next = asyncio.ensure_future(_after(self._events))
        try:
            return await self._next is not None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Ends the call upstream and gives the place back."""
        self._held.close()
        if self._next is not None and not self._next.done():
            self._next.cancel()
            await asyncio.wait((self._next,))
        await self._events.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the head, and then events as they come."""
        gone = asyncio.ensure_future(_disconnect(receive))
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"text/event-stream; charset=utf-8"),
                        (b"x-accel-buffering", b"no"),
                    ],
                }
            )
            async with asyncio.timeout(None) as patience:
                await self._send_all(send, gone, drain, patience)
        except TimeoutError:
            # Too slow a reader; the connection is cut when this returns without the last part.
            return
        finally:
            gone.cancel()
            drain.cancel()
            await asyncio.wait((gone, drain))
            await self.aclose()

    async def _send_all(
        self, send: Send, gone: asyncio.Future[None], drain: asyncio.Future[Literal[True]], patience: asyncio.Timeout
    ) -> None:
        async def out(data: bytes, more: bool = True) -> None:
            patience.reschedule(asyncio.get_running_loop().time() + SEND_TIMEOUT_SECONDS)
            await send({"type": "http.response.body", "body": data, "more_body": more})
            patience.reschedule(None)

        await out(_RETRY)
        while True:
            if self._next is None:
                self._next = asyncio.ensure_future(_after(self._events))
            left = self._expires_at - self._clock.now().timestamp()
            waiting: set[asyncio.Future[object]] = {self._next, gone, drain}  # type: ignore[arg-type]  # invariant set
            await asyncio.wait(
                waiting, timeout=max(0.0, min(self._heartbeat, left)), return_when=asyncio.FIRST_COMPLETED
            )
            if gone.done():
                return
            if self._next.done():
                last = await self._send_event(self._next, out)
                self._next = None
                if last is not None:
                    await out(last, more=False)
                    return
            elif drain.done():
                await out(_DRAINING, more=False)
                return
            elif left <= 0:
                await out(_error(token_refused(TokenFault.EXPIRED)), more=False)
                return
            else:
                await out(_HEARTBEAT)

    async def _send_event(
        self, done: asyncio.Future[RunEvent | None], out: Callable[[bytes], Awaitable[None]]
    ) -> bytes | None:
        """Sends one event. Answers what ends the stream, or None to go on."""
        try:
            event = done.result()
        except AmasError as error:
            return _error(error)
        if event is None:
            return b""
        await out(_event(event))
        return None


async def _after(events: AsyncIterator[RunEvent]) -> RunEvent | None:
    return await anext(events, None)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _event(event: RunEvent) -> bytes:
    if not isinstance(event, Message):
        raise TypeError("an event is a message of the contracts")
    kind = event.WhichOneof("payload") or "unknown"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.sequence, kind.encode(), orjson.dumps(as_json(event)))


def _error(error: AmasError) -> bytes:
    return b"event: error\ndata: " + http_errors.problem(error, "") + b"\n" + _RETRY
