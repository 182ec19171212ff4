"""The server over HTTP: only for those with a token, which may change while it runs."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from amas_workspace_server.http import TokenError, Tokens
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.waiting import wait_for


def healthy(address: str) -> bool:
    """Whether the server is there and has a token."""
    try:
        return httpx2.get(f"{address}/healthz").is_success
    except httpx2.TransportError:
        return False


@contextmanager
def server(root: Path, tokens: Path, *options: str) -> Iterator[str]:
    """A server process on a free port; answers its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "amas_workspace_server", "--root", str(root), "--tokens", str(tokens)]
    process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}", *options])
    try:
        wait_for("the server answers", lambda: healthy(f"http://127.0.0.1:{port}"), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)


async def tools(address: str, token: str) -> list[str]:
    """What a client with this token is offered."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        streamable_http_client(f"{address}/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as client,
    ):
        await client.initialize()
        return sorted(tool.name for tool in (await client.list_tools()).tools)


def initialize(address: str, headers: dict[str, str]) -> int:
    """The status of a first request with these headers."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    accepts = {"Accept": "application/json, text/event-stream"}
    return httpx2.post(f"{address}/mcp", json=body, headers={**accepts, **headers}).status_code


async def test_a_token_of_the_file_opens_and_changes_without_a_restart(tmp_path: Path) -> None:
    """Old and new tokens are good while both stand in the file; then the old one is not."""
    tokens = tmp_path / "tokens"
    tokens.write_text("old\n")
    root = tmp_path / "files"
    root.mkdir()
    with server(root, tokens, "--read-only") as address:
        assert await tools(address, "old") == ["list_files", "read_file", "stat_file"]
        assert initialize(address, {"Authorization": "Bearer new"}) == 401
        tokens.write_text("new\nold\n")
        assert await tools(address, "new") == await tools(address, "old")
        tokens.write_text("new\n")
        assert initialize(address, {"Authorization": "Bearer old"}) == 401
        assert initialize(address, {}) == 401
        assert initialize(address, {"Authorization": "Bearer new", "Host": "elsewhere.example"}) == 421
        tokens.unlink()
        assert initialize(address, {"Authorization": "Bearer new"}) == 401
        assert httpx2.get(f"{address}/healthz").status_code == 503


@pytest.mark.parametrize("content", [None, "", "\n \n"])
def test_no_token_is_no_server(tmp_path: Path, content: str | None) -> None:
    """Without a token nothing is listened on: exit code 2 and a sentence."""
    tokens = tmp_path / "tokens"
    if content is not None:
        tokens.write_text(content)
    with pytest.raises(TokenError):
        Tokens(tokens).read()
    command = [sys.executable, "-m", "amas_workspace_server", "--root", str(tmp_path), "--listen", "127.0.0.1:1"]
    done = subprocess.run([*command, "--tokens", str(tokens)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "--tokens" in done.stderr
    bare = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (bare.returncode, "needs --tokens" in bare.stderr) == (2, True)
