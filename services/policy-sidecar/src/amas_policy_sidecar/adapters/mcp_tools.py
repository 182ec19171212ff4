"""The tool port over MCP: one supervised session for each tenant and tool-server definition.

It must never share a session between tenants, nor answer anything that a server said with its credentials in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amas_chassis.clock import Clock
from amas_governance.resources import ToolServer

from amas_policy_sidecar.domain.errors import EGRESS_REFUSALS, Denied, ToolFailed, overloaded, unavailable
from amas_policy_sidecar.domain.model import ToolAnswer, ToolDescription, ToolList

from .credential_masks import CredentialMask
from .mcp_session import ToolSession
from .sandbox.host import SandboxHost
from .transports import ServerTransport, ToolSurroundings

_log = logging.getLogger(__name__)

# Sessions at once; an idle one makes room for a new one.
MAX_SESSIONS = 64
_Started = Callable[[str, bool], None]
_Refused = Callable[[str, str], None]
_Key = tuple[str, str]


@dataclass(frozen=True)
class _Shown:
    """A server's list as it was masked; it holds for that very list and that very mask."""

    tools: Sequence[ToolDescription]
    mask: CredentialMask
    masked: ToolList


@dataclass
class _Held:
    """A session with what it was begun with, and its server's transport, which outlives it."""

    transport: ServerTransport
    state: Hashable
    session: ToolSession
    shown: _Shown | None = None


class McpToolServers:
    """All sessions of this process."""

    def __init__(
        self, surroundings: ToolSurroundings, clock: Clock, on_start: _Started, on_refused: _Refused | None = None
    ) -> None:
        """`on_start` hears of each session that begins; `on_refused` of each place that nothing was sent to."""
        self._surroundings = surroundings
        self._host = SandboxHost(surroundings.sandbox)
        self._clock = clock
        self._on_start = on_start
        self._on_refused = on_refused
        self._held: dict[_Key, _Held] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def list_tools(self, tenant: str, server: ToolServer) -> ToolList:
        """What the server offers now, without its credentials.

        Raises AmasError UNAVAILABLE with the failure's code, and Denied if it is where nothing may be sent.
        """
        try:
            held = self._current(tenant, server)
            with _explained(held.transport):
                tools = await held.session.list_tools()
        except ToolFailed as failure:
            if failure.code in EGRESS_REFUSALS:
                raise Denied(failure.code, failure.message) from failure
            raise unavailable(failure.code, failure.message, retry_after=1.0) from failure
        mask = held.transport.credentials.mask
        if held.shown is None or held.shown.tools is not tools or held.shown.mask is not mask:
            held.shown = _Shown(tools, mask, _masked(tools, mask))
        return held.shown.masked

    async def call(self, tenant: str, server: ToolServer, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call once; raises ToolFailed. What comes back holds none of the server's credentials."""
        held = self._current(tenant, server)
        with _explained(held.transport):
            answer = await held.session.call(tool, arguments)
        mask = held.transport.credentials.mask
        return ToolAnswer(
            text=mask.text(answer.text), structured=mask.value(answer.structured), is_error=answer.is_error
        )

    async def look(self) -> None:
        """Find out whether tool servers can be isolated here."""
        await self._host.look()

    def notes(self) -> Mapping[str, str]:
        """What an operator should know: what isolation lacks."""
        missing = self._host.note()
        return {"tool servers run without": missing} if missing else {}

    async def close(self) -> None:
        """End every session and its process."""
        self._closed = True
        held, self._held = list(self._held.values()), {}
        ends = (one.session.close() for one in held)
        await asyncio.gather(*ends, *self._closing, return_exceptions=True)

    def _current(self, tenant: str, server: ToolServer) -> _Held:
        """The session to use now. One that was begun with other credentials or folders is left to end by itself."""
        if self._closed:
            raise ToolFailed("TOOL_SERVER_UNAVAILABLE", "the policy-sidecar is shutting down", sent=False)
        key = (tenant, server.connection_digest)
        held = self._held.get(key)
        if held is None:
            self._make_room()
            transport = ServerTransport(server, self._surroundings, self._host, self._counting(server.metadata.name))
            held = self._held[key] = _Held(transport, transport.state(), self._session(server, transport))
            return held
        state = held.transport.state()
        if state != held.state:
            self._let_end(held.session)
            held.state, held.session = state, self._session(server, held.transport)
        return held

    def _counting(self, server: str) -> Callable[[str], None]:
        def refused(code: str) -> None:
            _log.warning("nothing was sent to tool server %s: %s", server, code)
            if self._on_refused is not None:
                self._on_refused(server, code)

        return refused

    def _session(self, server: ToolServer, transport: ServerTransport) -> ToolSession:
        name, limits = server.metadata.name, server.spec.limits
        return ToolSession(
            name,
            transport.connect,
            call_timeout=limits.timeout,
            concurrency=limits.concurrency,
            clock=self._clock,
            on_start=lambda well: self._on_start(name, well),
        )

    def _make_room(self) -> None:
        if len(self._held) < MAX_SESSIONS:
            return
        idle = [(held.session.last_used, key) for key, held in self._held.items() if held.session.idle]
        if not idle:
            raise overloaded("TOOL_BUSY", "too many tool servers are in use here", retry_after=1.0)
        _, key = min(idle)
        self._let_end(self._held.pop(key).session)

    def _let_end(self, session: ToolSession) -> None:
        task = asyncio.create_task(session.retire())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


@contextlib.contextmanager
def _explained(transport: ServerTransport) -> Iterator[None]:
    try:
        yield
    except ToolFailed as failure:
        explained = transport.explained(failure)
        if explained is failure:
            raise
        raise explained from failure


def _masked(tools: Sequence[ToolDescription], mask: CredentialMask) -> ToolList:
    return ToolList(
        ToolDescription(
            name=tool.name,
            description=mask.text(tool.description),
            input_schema=mask.value(tool.input_schema),
            definition=mask.value(tool.definition),
        )
        for tool in tools
    )
