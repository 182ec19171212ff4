"""The tool port over MCP: one supervised session for each tenant and tool-server definition.

The only place where a tool's credentials and its transport meet. It must never share a session between tenants.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amas_chassis.clock import Clock
from amas_governance.canonical import digest
from amas_governance.resources import ToolServer

from amas_policy_sidecar.domain.errors import ToolFailed, overloaded, unavailable
from amas_policy_sidecar.domain.model import ToolAnswer, ToolDescription

from .credentials import Credentials, read_credentials
from .mcp_http import http_streams
from .mcp_session import ToolSession
from .mcp_stdio import Launch, stdio_streams

# Sessions at once; an idle one makes room for a new one.
MAX_SESSIONS = 64
# Seconds that an HTTP server may be silent beyond a call's time-out, which always ends first.
READ_MARGIN = 5.0
_Started = Callable[[str, bool], None]


@dataclass(frozen=True)
class ToolSurroundings:
    """Where tool servers run and what they get."""

    workdir: Path
    environment: Mapping[str, str]
    credentials_dir: Path | None


class McpToolServers:
    """All sessions of this process."""

    def __init__(self, surroundings: ToolSurroundings, clock: Clock, on_start: _Started) -> None:
        self._surroundings = surroundings
        self._clock = clock
        self._on_start = on_start
        self._sessions: dict[tuple[str, str], ToolSession] = {}
        self._credentials: dict[tuple[str, str], Credentials] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def list_tools(self, tenant: str, server: ToolServer) -> Sequence[ToolDescription]:
        """What the server offers now; raises AmasError UNAVAILABLE with the code of the failure."""
        try:
            return await self._session(tenant, server).list_tools()
        except ToolFailed as failure:
            raise unavailable(failure.code, failure.message, retry_after=1.0) from failure

    async def call(self, tenant: str, server: ToolServer, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call once; raises ToolFailed. What comes back holds none of the server's credentials."""
        answer = await self._session(tenant, server).call(tool, arguments)
        credentials = self._credentials.get(_key(tenant, server), Credentials())
        return ToolAnswer(
            text=credentials.mask(answer.text),
            structured=credentials.mask_value(answer.structured),
            is_error=answer.is_error,
        )

    async def close(self) -> None:
        """End every session and its process."""
        self._closed = True
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.close() for session in sessions), *self._closing, return_exceptions=True)

    def _session(self, tenant: str, server: ToolServer) -> ToolSession:
        if self._closed:
            raise ToolFailed("TOOL_SERVER_UNAVAILABLE", "the policy-sidecar is shutting down", sent=False)
        key = _key(tenant, server)
        session = self._sessions.get(key)
        if session is None:
            self._make_room()
            session = self._sessions[key] = self._open(key, server)
        return session

    def _open(self, key: tuple[str, str], server: ToolServer) -> ToolSession:
        name, limits = server.metadata.name, server.spec.limits

        @asynccontextmanager
        async def connect(on_end: Callable[[], None]) -> AsyncIterator[tuple[Any, Any]]:
            # Read at each start, so that a rotated credential needs no restart of ours.
            credentials = read_credentials(server, self._surroundings.credentials_dir)
            self._credentials[key] = credentials
            http = server.spec.transport.http
            if http is not None:
                ca_file = self._ca_file(http.tls.ca_file if http.tls else None)
                async with http_streams(
                    http.url, credentials.headers, ca_file=ca_file, read_timeout=limits.timeout + READ_MARGIN
                ) as streams:
                    yield streams
                return
            async with stdio_streams(self._launch(server, credentials), on_end) as pipes:
                yield pipes

        return ToolSession(
            name,
            connect,
            call_timeout=limits.timeout,
            concurrency=limits.concurrency,
            clock=self._clock,
            on_start=lambda well: self._on_start(name, well),
        )

    def _ca_file(self, name: str | None) -> Path | None:
        if name is None:
            return None
        if self._surroundings.credentials_dir is None:
            raise ToolFailed("TOOL_CREDENTIAL_MISSING", f"the authority {name} cannot be read", sent=False)
        return self._surroundings.credentials_dir / name

    def _launch(self, server: ToolServer, credentials: Credentials) -> Launch:
        name, stdio = server.metadata.name, server.spec.transport.stdio
        if stdio is None:
            raise ToolFailed("TOOL_SERVER_UNAVAILABLE", f"tool server {name} has no transport", sent=False)
        # What we set wins: a credential must not become the PATH.
        environment = {**credentials.environment, **self._surroundings.environment}
        program = shutil.which(stdio.command[0], path=environment.get("PATH", os.defpath))
        if program is None:
            message = f"the program of tool server {name} is not installed here"
            raise ToolFailed("TOOL_SERVER_UNAVAILABLE", message, sent=False)
        return Launch(
            name=name,
            program=program,
            arguments=stdio.command[1:],
            environment=environment,
            workdir=self._surroundings.workdir,
            mask=credentials.mask,
        )

    def _make_room(self) -> None:
        if len(self._sessions) < MAX_SESSIONS:
            return
        idle = [(session.last_used, key) for key, session in self._sessions.items() if session.idle]
        if not idle:
            raise overloaded("TOOL_BUSY", "too many tool servers are in use here", retry_after=1.0)
        _, key = min(idle)
        self._credentials.pop(key, None)
        task = asyncio.create_task(self._sessions.pop(key).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _key(tenant: str, server: ToolServer) -> tuple[str, str]:
    """Tenant and definition; the pin and what policy says of the tools make no other server."""
    spec = server.to_manifest()["spec"]
    definition = {name: spec.get(name) for name in ("transport", "credentials", "limits")}
    return tenant, digest({"name": server.metadata.name, **definition})
