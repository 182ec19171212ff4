"""An answer that goes on for as long as there is something to tell, in whatever form its items are written.

It ends when its items do, when the client goes away or reads too slowly, when its token ends, or when the gateway
drains: in the last cases with a word about it, since nothing is lost by coming back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Generic, Literal, Protocol, TypeVar

from amas_chassis.clock import Clock
from amas_chassis.errors import AmasError
from fastapi import Response

from amas_gateway.domain.errors import TokenFault, token_refused
from amas_gateway.entrypoints.http_edge import Receive, Scope, Send

# A client that takes longer to read one item is dropped (seconds): it may resume.
SEND_TIMEOUT_SECONDS = 30.0

T = TypeVar("T")
Written = TypeVar("Written", contravariant=True)


class Form(Protocol[Written]):
    """How a stream is written."""

    media_type: str
    # What comes first, what says that the stream still lives, and that the gateway ends; empty: nothing is said.
    opening: bytes
    heartbeat: bytes
    draining: bytes

    def item(self, item: Written) -> bytes:
        """One item."""
        ...

    def error(self, error: AmasError) -> bytes:
        """Why the stream ends early."""
        ...


class PushedStream(Response, Generic[T]):
    """An ASGI response that owns the iterator it sends and the place it holds."""

    def __init__(
        self,
        items: AsyncGenerator[T],
        form: Form[T],
        hold: AbstractContextManager[None],
        clock: Clock,
        draining: asyncio.Event,
        heartbeat: float,
        expires_at: float,
    ) -> None:
        self.status_code = 200
        self.background = None
        self._items, self._form = items, form
        self._held = ExitStack()
        self._held.enter_context(hold)
        self._clock = clock
        self._draining = draining
        self._heartbeat = heartbeat
        self._expires_at = expires_at
        self._next: asyncio.Future[T | None] | None = None

    async def peek(self) -> bool:
        """Whether there is an item at all, which is kept for the stream. Raises what its making raises."""
        self._next = asyncio.ensure_future(_after(self._items))
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
        await self._items.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the head, and then items as they come."""
        gone = asyncio.ensure_future(_disconnect(receive))
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", self._form.media_type.encode()),
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
            if more and not data:
                return
            patience.reschedule(asyncio.get_running_loop().time() + SEND_TIMEOUT_SECONDS)
            await send({"type": "http.response.body", "body": data, "more_body": more})
            patience.reschedule(None)

        await out(self._form.opening)
        while True:
            if self._next is None:
                self._next = asyncio.ensure_future(_after(self._items))
            left = self._expires_at - self._clock.now().timestamp()
            waiting: set[asyncio.Future[object]] = {self._next, gone, drain}  # type: ignore[arg-type]  # invariant set
            await asyncio.wait(
                waiting, timeout=max(0.0, min(self._heartbeat, left)), return_when=asyncio.FIRST_COMPLETED
            )
            if gone.done():
                return
            if self._next.done():
                last = await self._send_item(self._next, out)
                self._next = None
                if last is not None:
                    await out(last, more=False)
                    return
            elif drain.done():
                await out(self._form.draining, more=False)
                return
            elif left <= 0:
                await out(self._form.error(token_refused(TokenFault.EXPIRED)), more=False)
                return
            else:
                await out(self._form.heartbeat)

    async def _send_item(self, done: asyncio.Future[T | None], out: Callable[[bytes], Awaitable[None]]) -> bytes | None:
        """Sends one item. Answers what ends the stream, or None to go on."""
        try:
            item = done.result()
        except AmasError as error:
            return self._form.error(error)
        if item is None:
            return b""
        await out(self._form.item(item))
        return None


async def _after(items: AsyncIterator[T]) -> T | None:
    return await anext(items, None)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
