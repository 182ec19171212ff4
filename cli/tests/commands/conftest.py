"""Commands as users run them, against a fake gateway in another thread."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from amas_cli.app import build
from amas_cli.contexts import Context, save_context
from amas_cli.tokens import keep_token
from typer.testing import CliRunner, Result

from ..fakes import FakeGateway, serving

Run = Callable[..., Result]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """A fake gateway on a port of its own."""
    fake, ready, stop = FakeGateway(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(fake):
            ready.set()
            await stop.wait()

    def work() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    yield fake
    loop.call_soon_threadsafe(stop.set)
    thread.join(60)


@pytest.fixture
def run(gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `amas ...` as a developer who is logged in."""
    monkeypatch.setenv("AMAS_HOME", str(tmp_path / "home"))
    for name in ("AMAS_SERVER", "AMAS_PRINCIPAL", "AMAS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    save_context(Context(server=gateway.url, principal="developer"))
    for principal in ("developer", "release-manager"):
        keep_token(principal, f"token-of-{principal}", time.time() + 600)

    def invoke(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(build(), list(arguments), input=given)

    return invoke
