"""Runs `running.py` as a process of its own, with real signals and real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from amas_chassis.channels import ClientChannels

from tests.integration.ports import free_port

from .authority import Authority
from .echo import EchoStub

ROOT = Path(__file__).parents[1]
# Bound of a hang, not of a machine with much else to do.
START_SECONDS = 60
# So long would an exporter of spans hold up an end that is not bounded.
EXPORT_SECONDS = 3600


class Process:
    """A running program of `running.py`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, http: str) -> None:
        self.process = process
        self.folder = folder
        self.http = f"http://{http}"
        self.target = f"unix:{folder}/server.sock"
        self.socket = folder / "server.sock"
        self.lines: list[dict[str, object]] = []

    async def said(self, message: str) -> None:
        """Wait until the program logs `message`."""
        assert self.process.stderr is not None
        async with asyncio.timeout(START_SECONDS):
            async for raw in self.process.stderr:
                with contextlib.suppress(ValueError):
                    self.lines.append(json.loads(raw))
                    if self.lines[-1]["message"] == message:
                        return
        raise AssertionError(f"it ended without saying {message!r}: {self.lines}")

    async def ended(self) -> int:
        """Wait for the end; the exit code."""
        await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    def notes(self) -> list[str]:
        """What the program noted."""
        return (self.folder / "notes").read_text().splitlines()


Start = Callable[..., "contextlib.AbstractAsyncContextManager[Process]"]


def starter(environment: Callable[..., dict[str, str]], folder: Path) -> Start:
    """Starts the program in `folder`; it is killed with the test if it still runs."""

    @contextlib.asynccontextmanager
    async def run(mode: str = "serve", **changes: str) -> AsyncIterator[Process]:
        http = changes.setdefault("HTTP_LISTEN", f"127.0.0.1:{free_port()}")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.running",
            mode,
            str(folder),
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "OTEL_EXPORTER_OTLP_TIMEOUT": str(EXPORT_SECONDS),
                **environment(**changes),
            },
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield Process(process, folder, http)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    return run


@contextlib.asynccontextmanager
async def calling(process: Process, authority: Authority) -> AsyncIterator[EchoStub]:
    """A stub with the certificate of `friend`."""
    channels = ClientChannels(authority.issue("friend"), "friend")
    yield channels.client(EchoStub, process.target, "server").stub
    await channels.close()
