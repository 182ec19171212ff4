"""One ToolServer's way to its server: a program in a jail, or a URL. Here its credentials and its transport meet."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amas_governance.resources import StdioTransport, ToolServer

from amas_policy_sidecar.domain.errors import ToolFailed

from .credentials import CredentialFiles, Credentials
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

    @property
    def workdir(self) -> Path:
        """The working folder, whose parts jails show."""
        return self.sandbox.workdir


class ServerTransport:
    """How to reach one server, for one tenant."""

    def __init__(self, server: ToolServer, surroundings: ToolSurroundings, host: SandboxHost) -> None:
        self._server = server
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
            http = spec.transport.http
            async with http_streams(
                http.url,
                lambda: self.credentials.read().headers,
                ca_file=self._ca_file(http.tls.ca_file if http.tls else None),
                read_timeout=spec.limits.timeout + READ_MARGIN,
            ) as streams:
                yield streams
        elif spec.transport.stdio is not None:
            launch = await self._launch(spec.transport.stdio, self.credentials.read())
            async with stdio_streams(launch, on_end) as pipes:
                yield pipes

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
