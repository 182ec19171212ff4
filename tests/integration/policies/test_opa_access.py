"""OPA answers the sidecar alone, and not even the sidecar may do more than ask for decisions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import aiohttp
import pytest

from .opa_beside import Beside
from .test_engine_faults import BUNDLE, decided

pytestmark = pytest.mark.integration
# An account that owns nothing here.
NOBODY = 65534
# It becomes that account only once it runs, since the account may not reach the interpreter.
_CONNECT = """
import os, socket, sys
asked, nobody = socket.socket(socket.AF_UNIX), int(sys.argv[2])
os.setgroups([])
os.setresgid(nobody, nobody, nobody)
os.setresuid(nobody, nobody, nobody)
try:
    asked.connect(sys.argv[1])
except PermissionError:
    sys.exit(13)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start a process as somebody else")
async def test_another_account_gets_nothing():
    """Without access to the socket there is no way to OPA, even where its folder may be entered by all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o711)  # noqa: S103 - entered by all is what the test is about
        made = Beside(folder)
        await made.start()
        try:
            command = [sys.executable, "-c", _CONNECT, str(made.opa.socket), str(NOBODY)]
            process = await asyncio.create_subprocess_exec(*command)
            assert await process.wait() == 13
        finally:
            await made.stop()


async def test_opa_listens_on_its_socket_alone(beside):
    """No port of the machine leads to OPA."""
    inodes = _descriptors(beside.opa.process.pid)
    listening = {f"socket:[{row[9]}]" for row in _tcp_rows(beside.opa.process.pid) if row[3] == "0A"}
    assert not inodes & listening
    assert beside.opa.socket.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/policies/mine"),
        ("GET", "/v1/policies"),
        ("PUT", "/v1/data/mine"),
        ("PATCH", "/v1/data"),
        ("GET", "/v1/data"),
        ("POST", "/v1/data"),
        ("POST", "/v1/query"),
        ("POST", "/v1/compile"),
        ("POST", "/"),
        ("GET", "/v1/config"),
        ("GET", "/v1/status"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_the_socket_leads_to_decisions_alone(shared_beside, policy_set, method, path):
    """Policies come from signed bundles, and nobody can put, change or read one over the API."""
    await shared_beside.engine.load(BUNDLE, policy_set)
    connector = aiohttp.UnixConnector(str(shared_beside.opa.socket))
    async with aiohttp.ClientSession("http://opa", connector=connector) as session:
        body = b"package mine\n\nallow := true" if path.startswith("/v1/policies") else b"{}"
        async with session.request(method, path, data=body if method != "GET" else None) as response:
            assert response.status == 401
    await decided(shared_beside.engine)


def _descriptors(pid: int) -> set[str]:
    """What those lead to that are still open when they are looked at."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def _tcp_rows(pid: int) -> list[list[str]]:
    rows = []
    for name in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{name}") as table:
            rows += [line.split() for line in table.readlines()[1:]]
    return rows
