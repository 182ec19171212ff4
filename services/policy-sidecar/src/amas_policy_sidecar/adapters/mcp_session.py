"""One supervised session with one tool server: begun when needed, restarted when it dies or hangs, ended when idle.

The SDK's contexts have to be entered and left in one task, so each session lives in a task of its own; calls are made
on it from the tasks of their callers. It must never repeat a call: whether that is harmless is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp_types as types
from amas_chassis.clock import Clock
from mcp import ClientSession, MCPError
from pydantic import ValidationError

from amas_policy_sidecar.domain.errors import ToolFailed
from amas_policy_sidecar.domain.model import ToolAnswer, ToolDescription

from .mcp_messages import to_answer, to_description

_log = logging.getLogger(__name__)

# Seconds from the start of the program to the end of the handshake.
START_TIMEOUT = 20.0
# Seconds without a call after which a session ends; the next call begins another.
IDLE_TIMEOUT = 600.0
# Seconds that a tool list is believed without asking again; a server that announces a change is asked at once.
TOOL_LIST_TTL = 30.0
# Seconds that a server may take to answer a ping after a call timed out; else it hangs and is restarted.
PING_TIMEOUT = 2.0
# Seconds between starts of a server that keeps failing: doubling from the first to the last.
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 15.0
# Bounds of a tool list.
MAX_TOOL_PAGES, MAX_TOOLS = 16, 512
# What a call may take beyond its own time-out, when even sending it blocks.
_SEND_MARGIN = 1.0

# Opens the streams; the argument is called when the server stops talking.
Connect = Callable[[Callable[[], None]], AbstractAsyncContextManager[tuple[Any, Any]]]


class ToolSession:
    """A session that is begun, watched and begun again as needed."""

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
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[ClientSession] | None = None
        self._broken = asyncio.Event()
        self._failures = 0
        self._not_before = 0.0
        self._tools: tuple[float, Sequence[ToolDescription]] | None = None
        self._in_use = 0
        self.last_used = clock.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nobody uses it now."""
        return self._in_use == 0

    async def list_tools(self) -> Sequence[ToolDescription]:
        """What the server offers; raises ToolFailed."""
        with self._used():
            if self._tools is None or self._clock.monotonic() - self._tools[0] > TOOL_LIST_TTL or self._dead:
                session = await self._acquire()
                self._tools = (self._clock.monotonic(), await self._guarded(_list_tools(session), START_TIMEOUT))
            return self._tools[1]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call once; raises ToolFailed with whether the request may have reached the tool."""
        with self._used():
            try:
                async with asyncio.timeout(self._call_timeout):
                    await self._places.acquire()
            except TimeoutError as error:
                raise ToolFailed("TOOL_BUSY", f"{self._name} is busy", sent=False) from error
            try:
                session = await self._acquire()
                return to_answer(await self._guarded(self._request(session, tool, arguments), self._call_timeout))
            finally:
                self._places.release()

    async def close(self) -> None:
        """End the session and its process."""
        self._broken.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _request(self, session: ClientSession, tool: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        # Not session.call_tool: it would run the server's own output schema, patterns and all, in our process.
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=dict(arguments)))
        return await session.send_request(
            request, types.CallToolResult, request_read_timeout_seconds=self._call_timeout
        )

    async def _guarded(self, work: Any, seconds: float) -> Any:
        """The answer of a request that was sent, with every way to fail named."""
        try:
            async with asyncio.timeout(seconds + _SEND_MARGIN):
                return await work
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED:
                self._broken.set()
                raise self._gone(sent=True) from error
            if error.code == types.REQUEST_TIMEOUT:
                await self._suspect()
                raise self._late() from error
            return types.CallToolResult(content=[types.TextContent(text=error.message)], is_error=True)
        except TimeoutError as error:
            self._broken.set()
            raise self._late() from error
        except (ValidationError, RuntimeError) as error:
            message = f"{self._name} answered what is no result of MCP"
            raise ToolFailed("TOOL_RESULT_INVALID", message, sent=True) from error

    async def _suspect(self) -> None:
        """After a time-out: a server that does not even answer a ping hangs, and is restarted."""
        session = self._ready.result() if self._ready is not None and self._ready.done() else None
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                if session is not None:
                    await session.send_ping()
        except (TimeoutError, MCPError):
            _log.warning("tool server %s hangs: restarting it", self._name)
            self._broken.set()

    async def _acquire(self) -> ClientSession:
        if self._dead:
            await self._end_old()
            self._begin()
        assert self._ready is not None  # noqa: S101 - _begin has just set it
        try:
            async with asyncio.timeout(START_TIMEOUT + PING_TIMEOUT):
                return await asyncio.shield(self._ready)
        except (ToolFailed, TimeoutError) as error:
            if isinstance(error, ToolFailed):
                raise
            raise self._gone(sent=False) from error

    @property
    def _dead(self) -> bool:
        return self._task is None or self._task.done() or self._broken.is_set()

    async def _end_old(self) -> None:
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=START_TIMEOUT)

    def _begin(self) -> None:
        # Another caller may have begun it while this one waited for the old one to end.
        if not self._dead:
            return
        wait = self._not_before - self._clock.monotonic()
        if wait > 0:
            raise ToolFailed(
                "TOOL_SERVER_UNAVAILABLE", f"{self._name} keeps failing: the next start is in {wait:.1f} s", sent=False
            )
        self._broken = asyncio.Event()
        self._tools = None
        self._ready = asyncio.get_running_loop().create_future()
        # A context of its own: the session outlives the request that began it, with its deadline and its trace.
        self._task = asyncio.create_task(self._live(self._ready, self._broken), name=f"tool server {self._name}")

    async def _live(self, ready: asyncio.Future[ClientSession], broken: asyncio.Event) -> None:
        """The session's own task: enter, serve until broken or idle, leave."""
        failure: BaseException | None = None
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(START_TIMEOUT):
                    streams = await stack.enter_async_context(self._connect(broken.set))
                    session = ClientSession(*streams, message_handler=self._on_message)
                    await stack.enter_async_context(session)
                    await _unless(broken, session.initialize())
                ready.set_result(session)
                self._on_start(True)
                await self._until_idle(broken)
        except Exception as error:
            failure = error
        finally:
            broken.set()
        if ready.done() and not ready.cancelled() and ready.exception() is None:
            self._failures = 0 if failure is None else self._failures
            _log.info("the session with tool server %s ended", self._name)
            return
        self._failed(ready, failure)

    def _failed(self, ready: asyncio.Future[ClientSession], failure: BaseException | None) -> None:
        backoff = min(FIRST_BACKOFF * 2**self._failures, LAST_BACKOFF)
        self._failures += 1
        self._not_before = self._clock.monotonic() + backoff
        self._on_start(False)
        _log.warning("tool server %s cannot be started: %s", self._name, type(failure).__name__)
        named = failure if isinstance(failure, ToolFailed) else self._gone(sent=False)
        ready.set_exception(named)
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
    def _used(self) -> Any:
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            self.last_used = self._clock.monotonic()

    def _gone(self, *, sent: bool) -> ToolFailed:
        return ToolFailed("TOOL_SERVER_UNAVAILABLE", f"tool server {self._name} does not answer", sent=sent)

    def _late(self) -> ToolFailed:
        message = f"tool server {self._name} did not answer within {self._call_timeout:g} s"
        return ToolFailed("TOOL_TIMEOUT", message, sent=True)


async def _unless(broken: asyncio.Event, work: Any) -> Any:
    """The result of `work`, or an error as soon as `broken` is set."""
    main, watch = asyncio.ensure_future(work), asyncio.ensure_future(broken.wait())
    try:
        await asyncio.wait((main, watch), return_when=asyncio.FIRST_COMPLETED)
        if not main.done():
            raise ConnectionError("the server ended during the handshake")
        return main.result()
    finally:
        for task in (main, watch):
            task.cancel()
        await asyncio.gather(main, watch, return_exceptions=True)


async def _list_tools(session: ClientSession) -> Sequence[ToolDescription]:
    tools: list[ToolDescription] = []
    cursor: str | None = None
    for _ in range(MAX_TOOL_PAGES):
        page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        tools += [to_description(tool) for tool in page.tools]
        cursor = page.next_cursor
        if len(tools) > MAX_TOOLS:
            break
        if cursor is None:
            return tools
    raise RuntimeError("the tool list has no end")
