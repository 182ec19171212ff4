"""One ToolServer's way to its server: a program in a jail, or a URL. Here its credentials and its transport meet."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver
from amas_governance.resources import HttpTransport, StdioTransport, ToolServer

from amas_policy_sidecar.domain.errors import ToolFailed

from .credentials import CredentialFiles, Credentials
from .egress_guard import allowed_addresses, server_url
from .mcp_http import http_streams
from .mcp_stdio import Launch, stdio_streams
from .sandbox.host import SandboxHost, SandboxSettings
from .sandbox.profile import folders

# Seconds that an HTTP server may be silent beyond a call's time-out, which always ends first.
READ_MARGIN = 5.0


@dataclass(frozen=True)
class ToolSurroundings:
    """Where tool servers run and what they get."""

    environment: Mapping[str, str]
    credentials_dir: Path | None
    sandbox: SandboxSettings
    resolver: AbstractResolver | None = None
    """Looks up the names of servers over HTTP; None: the machine's."""

    @property
    def workdir(self) -> Path:
        """The working folder, whose parts jails show."""
        return self.sandbox.workdir


class ServerTransport:
    """How to reach one server, for one tenant."""

    def __init__(
        self,
        server: ToolServer,
        surroundings: ToolSurroundings,
        host: SandboxHost,
        on_refused: Callable[[str], None],
    ) -> None:
        """`on_refused` hears the code of each refusal to send something where the server is."""
        self._server = server
        self._on_refused = on_refused
        self._refusal: ToolFailed | None = None
        self._surroundings = surroundings
        self._host = host
        self.credentials = CredentialFiles(server, surroundings.credentials_dir)

    def state(self) -> Hashable:
        """What a session was begun with and cannot change: another answer later asks for another session.

        Raises ToolFailed if a credential cannot be read.
        """
        credentials = self.credentials.read()
        stdio = self._server.spec.transport.stdio
        if stdio is None:
            # Each HTTP request carries what holds then.
            return None
        # A folder that was replaced by another of its name is not the one that the jail shows.
        shown = tuple(_identity(self._surroundings.workdir / one["path"]) for one in folders(stdio.sandbox))
        return credentials.environment_digest(), shown

    @asynccontextmanager
    async def connect(self, on_end: Callable[[], None]) -> AsyncIterator[tuple[Any, Any]]:
        """The streams of a new session; raises ToolFailed, OSError."""
        spec = self._server.spec
        if spec.transport.http is not None:
            async with self._http(spec.transport.http) as streams:
                yield streams
        elif spec.transport.stdio is not None:
            launch = await self._launch(spec.transport.stdio, self.credentials.read())
            async with stdio_streams(launch, on_end) as pipes:
                yield pipes

    def explained(self, failure: ToolFailed) -> ToolFailed:
        """A failure to reach the server; where that was refused in its present session, the refusal."""
        if self._refusal is None or failure.code != "TOOL_SERVER_UNAVAILABLE":
            return failure
        return ToolFailed(self._refusal.code, self._refusal.message, sent=failure.sent)

    @asynccontextmanager
    async def _http(self, http: HttpTransport) -> AsyncIterator[tuple[Any, Any]]:
        self._refusal = None
        try:
            url = server_url(http.url)
            resolver = self._surroundings.resolver or ThreadedResolver()
            addresses = await allowed_addresses(url, http.egress.networks, resolver)
        except ToolFailed as refusal:
            self._refused(refusal)
            raise
        async with http_streams(
            url,
            addresses,
            lambda: self.credentials.read().headers,
            on_refused=self._refused,
            ca_file=self._ca_file(http.tls.ca_file if http.tls else None),
            read_timeout=self._server.spec.limits.timeout + READ_MARGIN,
        ) as streams:
            yield streams

    def _refused(self, refusal: ToolFailed) -> None:
        self._refusal = refusal
        self._on_refused(refusal.code)

    def _ca_file(self, name: str | None) -> Path | None:
        if name is None:
            return None
        if self._surroundings.credentials_dir is None:
            raise ToolFailed("TOOL_CREDENTIAL_MISSING", f"the authority {name} cannot be read", sent=False)
        return self._surroundings.credentials_dir / name

    async def _launch(self, stdio: StdioTransport, credentials: Credentials) -> Launch:
        name, workdir = self._server.metadata.name, self._surroundings.workdir
        # What we set wins: a credential must not become the PATH.
        environment = {**credentials.environment, **self._surroundings.environment}
        program = shutil.which(stdio.command[0], path=environment.get("PATH", os.defpath))
        if program is None:
            raise _cannot_start(f"the program of tool server {name} is not installed here")
        for folder in folders(stdio.sandbox):
            if _identity(workdir / folder["path"]) is None:
                raise _cannot_start(f"the folder {folder['path']} that tool server {name} works in is not there")
        command = (program, *stdio.command[1:])
        return Launch(
            name=name,
            spec=await self._host.spec(name, stdio.sandbox, command, environment),
            workdir=workdir,
            mask=self.credentials.mask.text,
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _cannot_start(message: str) -> ToolFailed:
    return ToolFailed("TOOL_SERVER_UNAVAILABLE", message, sent=False)
