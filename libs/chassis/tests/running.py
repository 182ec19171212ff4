"""The program that lifecycle tests run as a process of its own: `python -m <tests>.running MODE FOLDER`.

It notes what it does, a line each, in FOLDER/notes, so that a test can compare what was accepted with what was
answered.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from amas_chassis import telemetry
from amas_chassis.grpc_server import public_server
from amas_chassis.service import ServiceSpec, main
from amas_chassis.settings import ServiceSettings, load, settings_config

from .echo import ECHO, EchoResponse, EchoServicer, echo_service

# Bound of a flush whose collector answers, however busy the machine is (seconds).
PATIENCE = 60.0


class Settings(ServiceSettings):
    """The settings of the program."""

    model_config = settings_config("AMAS_TEST_")


class Program:
    """A service that notes its own life."""

    def __init__(self, mode: str, folder: Path) -> None:
        self._mode = mode
        self._folder = folder
        self._draining = asyncio.Event()

    def note(self, line: str) -> None:
        """Append a line; small appends are whole."""
        with (self._folder / "notes").open("a") as notes:
            notes.write(f"{line}\n")

    async def echo(self, request: Any, _context: Any) -> Any:
        """Accept, take a while, answer."""
        self.note(f"accepted {request.text}")
        if self._mode == "held":
            await self._draining.wait()
        else:
            await asyncio.sleep(60 if self._mode == "stuck" else 0.05)
        self.note(f"answered {request.text}")
        return EchoResponse(text=request.text)

    async def background(self) -> None:
        """Run for the life, or crash when the test says so."""
        try:
            while not (self._folder / "crash").exists():  # noqa: ASYNC110 - the test is another process
                await asyncio.sleep(0.02)
            raise RuntimeError("the background broke")
        finally:
            self.note("background ended")

    async def check(self) -> None:
        """Ready unless the test says otherwise."""
        if (self._folder / "unready").exists():
            raise ConnectionError("postgresql://user:secret@host")

    async def build(self) -> ServiceSpec:
        """Wire the service."""
        if self._mode == "broken":
            raise RuntimeError("cannot be built")
        if self._mode == "patient":
            telemetry.FLUSH_SECONDS = PATIENCE
        settings = load(Settings)
        return ServiceSpec(
            name="server",
            settings=settings,
            services=[echo_service(EchoServicer(echo=self.echo))],
            callers={ECHO: frozenset({"friend"})},
            checks={"store": self.check},
            background=[self.background],
            servers=[public_server(f"unix:{self._folder}/public.sock", [echo_service()], tls=None)],
            on_drain=[self._noting("on_drain"), self._drain],
            on_stop=[self._noting("on_stop")],
        )

    async def _drain(self) -> None:
        self._draining.set()

    def _noting(self, line: str) -> Any:
        async def hook() -> None:
            self.note(line)

        return hook


if __name__ == "__main__":
    sys.exit(main("server", Program(sys.argv[1], Path(sys.argv[2])).build))
