"""The issuer as a process: fast, on loopback alone, and gone when told."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from amas_cli.local.issuer.__main__ import main


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9000", "[::]:9000", "10.0.0.1:9000", "example.org:9000", "127.0.0.1", "9000"]
)
def test_only_on_loopback(listen: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any address that is not loopback is refused with a sentence, before anything is made."""
    assert main(["--listen", listen, "--state", str(tmp_path / "state")]) == 2
    assert "127.0.0.1:PORT alone" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


async def test_starts_serves_and_ends(tmp_path: Path) -> None:
    """It answers as the issuer that its address names, ends with 0 on SIGTERM, and tells of a port in use."""
    listen = f"127.0.0.1:{free_port()}"
    command = (sys.executable, "-m", "amas_cli.local.issuer", "--listen", listen, "--state", str(tmp_path))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        document = await asyncio.wait_for(discovered(f"http://{listen}"), 10)
        assert document["issuer"] == f"http://{listen}"
        second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, told = await asyncio.wait_for(second.communicate(), 10)
        assert second.returncode == 3
        assert told.decode().startswith(f"issuer: {listen} cannot be listened on: ")
        assert len(told.decode().splitlines()) == 1
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 10)
    assert code == 0


async def discovered(url: str) -> dict[str, str]:
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/.well-known/openid-configuration") as response:
                    return dict(await response.json())
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
