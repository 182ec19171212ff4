"""Witnesses as processes of their own, which a test may end and start again on their state."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from .processes import READY_TIMEOUT, free_port, poll


@dataclass
class WitnessProcess:
    """`amas-witness serve` in a folder of its own."""

    folder: Path
    name: str
    logs: tuple[str, ...]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    key: str = ""

    @property
    def line(self) -> str:
        """Its line in the file of witnesses that the audit service reads."""
        return f"http://127.0.0.1:{self.port} {self.key}\n"

    def prepare(self) -> None:
        """Make its key, and write down which logs it sees."""
        self.folder.mkdir()
        (self.folder / "logs").write_text("\n".join(self.logs))
        made = subprocess.run(
            [sys.executable, "-m", "amas_witness", "keygen", "--name", self.name, "--key", self.folder / "key.pem"],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.key = made.stdout.strip()

    async def start(self) -> None:
        """Serve, and wait until it answers."""
        if not self.key:
            self.prepare()
        arguments = ["serve", "--name", self.name, "--key", "key.pem", "--logs", "logs", "--state", "state"]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "amas_witness", *arguments, "--listen", f"127.0.0.1:{self.port}",
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        async def answers() -> bool:
            assert self.process is not None
            assert self.process.returncode is None, "the witness ended"
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://127.0.0.1:{self.port}/healthz") as ok,
                ):
                    return ok.status == 200
            except aiohttp.ClientError:
                return False

        await poll(answers, seconds=READY_TIMEOUT, pause=0.05)

    async def kill(self) -> None:
        """End it without any warning."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
