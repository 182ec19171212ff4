"""A real OPA on loopback, and the policies as a bundle carries them."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from amas_governance.bundle import PolicySet

from ..ports import free_port
from .cases import POLICIES

START_TIMEOUT_S = 20.0


class OpaProcess:
    """An OPA server that a test can stop and start again on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits for its health endpoint."""
        opa = shutil.which("opa")
        assert opa, "no `opa` on the PATH: run `make test`, which builds the pinned one"
        self._process = subprocess.Popen(
            [opa, "run", "--server", "--addr", f"127.0.0.1:{self.port}", "--log-level", "error", "--disable-telemetry"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._healthy():
            assert self._process.poll() is None, "OPA ended while starting"
            assert time.monotonic() < deadline, "OPA did not become healthy"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops it and waits until it is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture(scope="module")
def opa() -> Iterator[OpaProcess]:
    """A running OPA."""
    server = OpaProcess()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def policy_set() -> PolicySet:
    """The shipped policies: sources and compiled module."""
    modules = {str(p.relative_to(POLICIES)): p.read_text() for p in sorted(POLICIES.rglob("policy.rego"))}
    return PolicySet(modules=modules, wasm=(POLICIES / "build" / "policy.wasm").read_bytes())


@pytest.fixture
def aiohttp_port():
    """Serves one handler on a free port of loopback, for answers that a real server would not give."""

    @asynccontextmanager
    async def serve(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port := free_port())
        await site.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()

    return serve
