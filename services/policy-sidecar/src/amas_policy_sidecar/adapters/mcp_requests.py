"""Requests on one live MCP session, with every way to fail named: did it reach the tool, does the server hang?

It must never repeat a request: whether that is harmless is not known here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import mcp_types as types
from mcp import ClientSession, MCPError
from pydantic import ValidationError

from amas_policy_sidecar.domain.errors import ToolFailed
from amas_policy_sidecar.domain.model import ToolAnswer, ToolDescription

from .mcp_messages import to_answer, to_description

_log = logging.getLogger(__name__)

# Seconds that a tool list may take.
LIST_TIMEOUT = 10.0
# Seconds that a server may take to answer a ping after a call timed out; else it hangs and is restarted.
PING_TIMEOUT = 2.0
# Bounds of a tool list.
MAX_TOOL_PAGES, MAX_TOOLS = 16, 512
# What a call may take beyond its own time-out, when even sending it blocks.
_SEND_MARGIN = 1.0

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class LiveSession:
    """A session after its handshake. Whoever finds it broken sets `broken`, and its owner ends it."""

    server: str
    session: ClientSession
    broken: asyncio.Event

    async def list_tools(self) -> Sequence[ToolDescription]:
        """What the server offers; raises ToolFailed."""
        try:
            return await self._guarded(self._pages(), LIST_TIMEOUT)
        except MCPError as error:
            raise ToolFailed("TOOL_LIST_UNUSABLE", f"{self.server} refuses to list its tools", sent=True) from error

    async def call(self, tool: str, arguments: Mapping[str, object], seconds: float) -> ToolAnswer:
        """Call once; raises ToolFailed. An error that the server answers is an answer."""
        # Not session.call_tool: it would run the server's own output schema, patterns and all, in our process.
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=dict(arguments)))
        try:
            result = await self._guarded(
                self.session.send_request(request, types.CallToolResult, request_read_timeout_seconds=seconds), seconds
            )
        except MCPError as error:
            return ToolAnswer(text=error.message, structured=None, is_error=True)
        return to_answer(result)

    async def _pages(self) -> Sequence[ToolDescription]:
        tools: list[ToolDescription] = []
        cursor: str | None = None
        for _ in range(MAX_TOOL_PAGES):
            page = await self.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
            tools += [to_description(tool) for tool in page.tools]
            cursor = page.next_cursor
            if len(tools) > MAX_TOOLS:
                break
            if cursor is None:
                return tools
        raise ToolFailed("TOOL_LIST_UNUSABLE", f"the tool list of {self.server} is too long", sent=True)

    async def _guarded(self, work: Awaitable[_Answer], seconds: float) -> _Answer:
        """The answer to a request; MCPError only for an error that the server itself answered."""
        try:
            async with asyncio.timeout(seconds + _SEND_MARGIN):
                return await work
        except MCPError as error:
            if error.code == types.CONNECTION_CLOSED:
                self.broken.set()
                raise gone(self.server, sent=True) from error
            if error.code == types.REQUEST_TIMEOUT:
                await self._suspect()
                raise self._late(seconds) from error
            raise
        except TimeoutError as error:
            self.broken.set()
            raise self._late(seconds) from error
        except (ValidationError, RuntimeError) as error:
            message = f"{self.server} answered what is no result of MCP"
            raise ToolFailed("TOOL_RESULT_INVALID", message, sent=True) from error

    async def _suspect(self) -> None:
        """After a time-out: a server that does not even answer a ping hangs, and is restarted."""
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                await self.session.send_ping()
        except (TimeoutError, MCPError):
            _log.warning("tool server %s hangs: restarting it", self.server)
            self.broken.set()

    def _late(self, seconds: float) -> ToolFailed:
        return ToolFailed("TOOL_TIMEOUT", f"tool server {self.server} did not answer within {seconds:g} s", sent=True)


def gone(server: str, *, sent: bool) -> ToolFailed:
    """The server is away; `sent` says whether the request may have reached it before."""
    return ToolFailed("TOOL_SERVER_UNAVAILABLE", f"tool server {server} does not answer", sent=sent)
