"""A real OPA beside the sidecar's side of it, and the policies as a bundle carries them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from amas_governance.bundle import PolicySet
from amas_policy_sidecar.adapters import opa_engine, opa_revisions

from .cases import POLICIES
from .opa_beside import PATIENCE, Beside

Handler = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture(scope="session")
def policy_set() -> PolicySet:
    """The shipped policies: sources and compiled module."""
    modules = {str(p.relative_to(POLICIES)): p.read_text() for p in sorted(POLICIES.rglob("policy.rego"))}
    return PolicySet(modules=modules, wasm=(POLICIES / "build" / "policy.wasm").read_bytes())


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    """A busy machine is not a fault of OPA; the test of a slow OPA takes the product's own second."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opa_engine, "DECIDE_TIMEOUT", PATIENCE)
        patched.setattr(opa_revisions, "ACTIVATION_TIMEOUT", PATIENCE)
        yield


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    """An OPA of the test's own, well."""
    made = Beside(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_beside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Beside]:
    """An OPA for tests that change nothing about it."""
    made = Beside(tmp_path_factory.mktemp("opa"))
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def serve_as_opa(socket: Path, handler: Handler) -> AsyncIterator[None]:
    """Answers on OPA's socket with what a real OPA would not answer."""
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield
    finally:
        await runner.cleanup()
