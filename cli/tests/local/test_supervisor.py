import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from amas_cli.exit_codes import ExitCode
from amas_cli.local import orphans as orphans_module
from amas_cli.local import supervisor as supervisor_module
from amas_cli.local.environment import Wiring
from amas_cli.local.events import Event, PartReady, PlatformFailed, PlatformReady
from amas_cli.local.home import Home
from amas_cli.local.lock import holder
from amas_cli.local.options import UpOptions
from amas_cli.local.processes import ProcessSpec
from amas_cli.local.startup import Step
from amas_cli.local.state import load_state
from amas_cli.local.supervisor import Supervisor

WAIT_S = 60.0
RunPart = Callable[[ProcessSpec], Awaitable[None]]
SERVING = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
FAILING = "import sys; print('the disk is on fire'); sys.exit(3)"


class TwoParts:
    """A plan of two small parts, of which the second may fail."""

    def __init__(self, wiring: Wiring, run_part: RunPart, *, fail: bool = False) -> None:
        self.wiring, self.run_part, self.fail = wiring, run_part, fail

    def steps(self) -> list[Step]:
        return [
            Step("audit", (), lambda: self.run_part(self.spec("audit", SERVING))),
            Step("gateway", ("audit",), lambda: self.run_part(self.spec("gateway", FAILING if self.fail else SERVING))),
        ]

    def spec(self, name: str, program: str) -> ProcessSpec:
        mark = self.wiring.home.root / f"{name}.up"

        async def ready() -> bool:
            return mark.exists()

        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-I", "-c", program, str(mark)),
            environment={},
            directory=self.wiring.home.root,
            log=self.wiring.home.log(name),
            ready=ready,
        )


def failing(wiring: Wiring, run_part: RunPart) -> TwoParts:
    return TwoParts(wiring, run_part, fail=True)


class Watched:
    """A supervisor in this process, and what it said."""

    def __init__(self, home: Home, make_plan: object = TwoParts, port_base: int = 0) -> None:
        self.events: list[Event] = []
        self.ready = asyncio.Event()
        options = UpOptions(port_base=port_base)
        self.supervisor = Supervisor(home, options, self.hear, make_plan)  # type: ignore[arg-type]

    def hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, PlatformReady):
            self.ready.set()

    def failure(self) -> PlatformFailed:
        assert isinstance(self.events[-1], PlatformFailed)
        return self.events[-1]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A supervisor is alone in its process, and this one is not: what other tests started is no orphan of a part, and
    what loses its parent after the test is not adopted."""
    others = {child.pid for child in psutil.Process().children()}
    found = orphans_module.orphans
    monkeypatch.setattr(orphans_module, "orphans", lambda known: found(known | others))
    yield
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(orphans_module.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def parts_of(home: Home) -> list[int]:
    """Processes that work in the state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(home.root):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def test_it_starts_stays_and_stops_everything(home: Home) -> None:
    """Ready is said when all is ready; SIGTERM leaves nothing."""
    watched = Watched(home)
    running = asyncio.create_task(watched.supervisor.run())
    await asyncio.wait_for(watched.ready.wait(), WAIT_S)
    assert [event.part for event in watched.events if isinstance(event, PartReady)] == ["audit", "gateway"]
    assert len(parts_of(home)) == 2
    state = load_state(home)
    assert state is not None
    assert {name: part.state for name, part in state.processes.items()} == {"audit": "ready", "gateway": "ready"}
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WAIT_S) is ExitCode.OK
    assert parts_of(home) == []
    assert holder(home.lock) is None


async def test_a_failing_part_ends_the_start_and_shows_its_log(home: Home) -> None:
    """Which part, what it said last, what to do; and nothing runs on."""
    watched = Watched(home, failing)
    assert await asyncio.wait_for(watched.supervisor.run(), WAIT_S) is ExitCode.FAILED
    failure = watched.failure()
    assert "gateway" in failure.message
    assert "exit code 3" in failure.message
    assert failure.details == ("the disk is on fire",)
    assert "gateway.log" in failure.next_step
    assert parts_of(home) == []
    assert holder(home.lock) is None


async def test_a_second_start_says_that_one_runs(home: Home) -> None:
    """Two `amas up` at once: one starts, the other explains, neither harms the other."""
    first, second = Watched(home), Watched(home)
    running = asyncio.create_task(first.supervisor.run())
    await asyncio.wait_for(first.ready.wait(), WAIT_S)
    assert await second.supervisor.run() is ExitCode.CONFLICT
    assert str(os.getpid()) in second.failure().message
    assert "amas down" in second.failure().next_step
    assert len(parts_of(home)) == 2
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WAIT_S) is ExitCode.OK


async def test_a_port_in_use_starts_nothing(home: Home) -> None:
    """The sentence names the port and the option."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        watched = Watched(home, port_base=port)
        assert await watched.supervisor.run() is ExitCode.CONFLICT
    assert str(port) in watched.failure().message
    assert "--port-base" in watched.failure().next_step
    assert parts_of(home) == []


async def test_a_full_disk_is_said_before_anything_starts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is free, how much is needed, and where."""
    monkeypatch.setattr(supervisor_module, "MIN_FREE_BYTES", 2**62)
    watched = Watched(home)
    assert await watched.supervisor.run() is ExitCode.FAILED
    assert "MB are free" in watched.failure().message
    assert "AMAS_HOME" in watched.failure().next_step
    assert parts_of(home) == []


async def test_a_stop_while_starting_leaves_nothing(home: Home) -> None:
    """Ctrl-C during `amas up`."""

    class Slow(TwoParts):
        def steps(self) -> list[Step]:
            return [super().steps()[0], Step("gateway", ("audit",), asyncio.Event().wait)]

    watched = Watched(home, Slow)
    running = asyncio.create_task(watched.supervisor.run())
    async with asyncio.timeout(WAIT_S):
        while not watched.events:  # noqa: ASYNC110 - the events come from the supervisor
            await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, WAIT_S) is ExitCode.INTERRUPTED
    assert parts_of(home) == []
    assert holder(home.lock) is None
