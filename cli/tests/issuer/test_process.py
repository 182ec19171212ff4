"""The issuer as a process: fast, on loopback alone unless it has TLS, and gone when told."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest
from amas_cli.local.authority import ensure_authority, issue_certificate
from amas_cli.local.issuer.__main__ import main

from tests.integration.ports import free_port


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
        document = await asyncio.wait_for(discovered(f"http://{listen}"), 60)
        assert document["issuer"] == f"http://{listen}"
        second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, told = await asyncio.wait_for(second.communicate(), 60)
        assert second.returncode == 3
        assert told.decode().startswith(f"issuer: {listen} cannot be listened on: ")
        assert len(told.decode().splitlines()) == 1
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 60)
    assert code == 0


async def test_any_address_with_tls(tmp_path: Path) -> None:
    """With a certificate it serves other machines too, by TLS 1.3, under the name that it was given."""
    ensure_authority(tmp_path / "pki")
    files = issue_certificate(tmp_path / "pki", "gateway")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "amas_cli.local.issuer", "--listen", f"0.0.0.0:{port}"),
        *("--state", str(tmp_path / "state"), "--issuer", "https://issuer.example:8443"),
        *("--tls-certificate", str(files.cert), "--tls-key", str(files.key)),
    )
    try:
        context = ssl.create_default_context(cafile=str(files.ca))
        context.check_hostname = False  # the certificate names a workload, not this address
        document = await asyncio.wait_for(discovered(f"https://127.0.0.1:{port}", context), 60)
        assert document["issuer"] == "https://issuer.example:8443"
        assert document["token_endpoint"] == "https://issuer.example:8443/token"
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0


def test_a_certificate_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file is a sentence, before anything is made."""
    (tmp_path / "wrong").write_text("no certificate")
    tls = ["--tls-certificate", str(tmp_path / "wrong"), "--tls-key", str(tmp_path / "wrong")]
    assert main(["--listen", "0.0.0.0:9000", "--state", str(tmp_path / "state"), *tls]) == 2
    assert "not a certificate and its key in PEM" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


async def discovered(url: str, context: ssl.SSLContext | None = None) -> dict[str, str]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context or True)) as session:
        while True:
            try:
                async with session.get(f"{url}/.well-known/openid-configuration") as response:
                    return dict(await response.json())
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)
