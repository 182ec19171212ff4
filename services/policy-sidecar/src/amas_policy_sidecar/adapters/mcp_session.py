"""One supervised session with one tool server: begun when needed, restarted when it dies or hangs, ended when idle.

The SDK's contexts have to be entered and left in one task, so each session lives in a task of its own; requests are
made on it from the tasks of their callers. It must never leave a process behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp_types as types
from amas_chassis.clock import Clock
from mcp import ClientSession

from amas_policy_sidecar.domain.errors import ToolFailed
from amas_policy_sidecar.domain.model import ToolAnswer, ToolDescription

from .mcp_requests import LiveSession, gone

_log = logging.getLogger(__name__)

# Seconds from the start of the program to the end of the handshake.
START_TIMEOUT = 20.0
# Seconds to end a session, its program's own grace included; then it is cancelled, which kills the program.
CLOSE_TIMEOUT = 5.0
# Seconds without a call after which a session ends; the next call begins another.
IDLE_TIMEOUT = 600.0
# Seconds that a tool list is believed without asking again; a server that announces a change is asked at once.
TOOL_LIST_TTL = 30.0
# Seconds between starts of a server that keeps failing: doubling from the first to the last.
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 15.0

# Opens the streams; the argument is called when the server stops talking.
Connect = Callable[[Callable[[], None]], AbstractAsyncContextManager[tuple[Any, Any]]]


class ToolSession:
    """A session that is begun, watched and begun again as needed. Use it from one event loop."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        call_timeout: float,
        concurrency: int,
        clock: Clock,
        on_start: Callable[[bool], None],
    ) -> None:
        self._name = name
        self._connect = connect
        self._call_timeout = call_timeout
        self._places = asyncio.Semaphore(concurrency)
        self._clock = clock
        self._on_start = on_start
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[LiveSession] | None = None
        self._broken = asyncio.Event()
        self._failures = 0
        self._not_before = 0.0
        self._tools: tuple[float, Sequence[ToolDescription]] | None = None
        self._in_use = 0
        self._left = asyncio.Event()
        self.last_used = clock.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nobody uses it now."""
        return self._in_use == 0

    async def list_tools(self) -> Sequence[ToolDescription]:
        """What the server offers; raises ToolFailed."""
        with self._used():
            kept = self._tools
            if kept is not None and not self._dead and self._clock.monotonic() - kept[0] < TOOL_LIST_TTL:
                return kept[1]
            live = await self._acquire()
            tools = await live.list_tools()
            self._tools = (self._clock.monotonic(), tools)
            return tools

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call once; raises ToolFailed with whether the request may have reached the tool."""
        with self._used():
            try:
                async with asyncio.timeout(self._call_timeout):
                    await self._places.acquire()
            except TimeoutError as error:
                raise ToolFailed("TOOL_BUSY", f"tool server {self._name} is busy", sent=False) from error
            try:
                live = await self._acquire()
                return await live.call(tool, arguments, self._call_timeout)
            finally:
                self._places.release()

    async def retire(self) -> None:
        """Let the calls that are under way come to their ends, each within its own time-out, then end the session."""
        while not self.idle:
            self._left.clear()
            await self._left.wait()
        await self.close()

    async def close(self) -> None:
        """End the session and its process, within CLOSE_TIMEOUT seconds."""
        self._broken.set()
        await self._end()

    async def _acquire(self) -> LiveSession:
        if self._dead:
            await self._end()
            self._begin()
        ready = self._ready
        if ready is None:
            raise gone(self._name, sent=False)
        try:
            async with asyncio.timeout(START_TIMEOUT + CLOSE_TIMEOUT):
                return await asyncio.shield(ready)
        except TimeoutError as error:
            raise gone(self._name, sent=False) from error

    @property
    def _dead(self) -> bool:
        return self._owner is None or self._owner.done() or self._broken.is_set()

    async def _end(self) -> None:
        owner = self._owner
        if owner is None or owner.done():
            return
        await asyncio.wait([owner], timeout=CLOSE_TIMEOUT)
        if not owner.done():
            _log.warning("the session with tool server %s does not end: cancelling it", self._name)
            owner.cancel()
            await asyncio.wait([owner], timeout=CLOSE_TIMEOUT)

    def _begin(self) -> None:
        # Another caller may have begun it while this one waited for the old one to end.
        if not self._dead:
            return
        wait = self._not_before - self._clock.monotonic()
        if wait > 0:
            message = f"tool server {self._name} keeps failing: the next start is in {wait:.1f} s"
            raise ToolFailed("TOOL_SERVER_UNAVAILABLE", message, sent=False)
        self._broken = asyncio.Event()
        self._tools = None
        self._ready = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._live(self._ready, self._broken), name=f"tool server {self._name}")

    async def _live(self, ready: asyncio.Future[LiveSession], broken: asyncio.Event) -> None:
        """The session's own task: enter, serve until broken or idle, leave."""
        failure: BaseException | None = None
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(START_TIMEOUT):
                    streams = await stack.enter_async_context(self._connect(broken.set))
                    session = ClientSession(*streams, message_handler=self._on_message)
                    await stack.enter_async_context(session)
                    await _unless(broken, session.initialize())
                self._failures = 0
                self._on_start(True)
                ready.set_result(LiveSession(self._name, session, broken))
                await self._until_idle(broken)
        except Exception as error:
            failure = error
        finally:
            broken.set()
            if not ready.done():
                self._failed(ready, failure)
        _log.info("the session with tool server %s ended", self._name)

    def _failed(self, ready: asyncio.Future[LiveSession], failure: BaseException | None) -> None:
        self._not_before = self._clock.monotonic() + min(FIRST_BACKOFF * 2**self._failures, LAST_BACKOFF)
        self._failures += 1
        self._on_start(False)
        _log.warning("tool server %s cannot be started: %s", self._name, type(failure).__name__)
        ready.set_exception(failure if isinstance(failure, ToolFailed) else gone(self._name, sent=False))
        # Read once here, so that it is no "never retrieved" warning when the caller has gone away.
        ready.exception()

    async def _until_idle(self, broken: asyncio.Event) -> None:
        while not broken.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_TIMEOUT / 4):
                    await broken.wait()
            if self.idle and self._clock.monotonic() - self.last_used > IDLE_TIMEOUT:
                return

    async def _on_message(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._tools = None

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            self.last_used = self._clock.monotonic()
            self._left.set()


async def _unless(broken: asyncio.Event, work: Coroutine[Any, Any, Any]) -> None:
    """Do `work`, or raise ConnectionError as soon as `broken` is set."""
    main, watch = asyncio.ensure_future(work), asyncio.ensure_future(broken.wait())
    try:
        await asyncio.wait((main, watch), return_when=asyncio.FIRST_COMPLETED)
        if not main.done():
            raise ConnectionError("the server ended during the handshake")
        main.result()
    finally:
        for task in (main, watch):
            task.cancel()
        await asyncio.gather(main, watch, return_exceptions=True)
