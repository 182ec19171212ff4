import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from amas_cli.local import processes
from amas_cli.local.orphans import adopt_orphans, end_orphans, orphans
from amas_cli.local.processes import ManagedProcess, PartFailedError, ProcessSpec

WAIT_S = 60.0
SLEEPER = "import signal, pathlib; pathlib.Path('up').touch(); signal.pause()"
STUBBORN = textwrap.dedent(
    """
    import pathlib, signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path("up").touch()
    while True:
        signal.pause()
    """
)


def spec(folder: Path, program: str, **more: object) -> ProcessSpec:
    """A Python program that says that it is ready with a file `up`."""

    async def ready() -> bool:
        return (folder / "up").exists()

    values = {
        "name": "part",
        "argv": (sys.executable, "-I", "-c", program),
        "environment": {"PATH": "/usr/bin:/bin", "MARK": "yes"},
        "directory": folder,
        "log": folder / "part.log",
        "ready": ready,
        **more,
    }
    return ProcessSpec(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def running(made: ProcessSpec) -> AsyncIterator[ManagedProcess]:
    process = ManagedProcess(made)
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_killed_part_comes_back(tmp_path: Path) -> None:
    """kill -9 of any part heals by itself, and is counted."""
    async with running(spec(tmp_path, SLEEPER)) as process:
        first = process.state.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.state.state == "ready" and process.state.pid not in {0, first})
        assert process.state.restarts == 1
        again = process.state.pid
    assert not alive(again)
    assert process.state.state == "stopped"


async def test_a_part_that_ends_while_starting_fails_the_start(tmp_path: Path) -> None:
    """A bad binary is told at once, with how it ended."""
    with pytest.raises(PartFailedError, match="exit code 3"):
        async with running(spec(tmp_path, "raise SystemExit(3)")):
            pytest.fail("it never was ready")


async def test_a_program_that_is_not_there_fails_the_start(tmp_path: Path) -> None:
    """The log says what could not be executed."""
    with pytest.raises(PartFailedError, match="exit code 126"):
        async with running(spec(tmp_path, "", argv=("/nowhere/at/all",))):
            pytest.fail("it never was ready")
    assert "No such file" in (tmp_path / "part.log").read_text()


async def test_a_part_that_never_answers_fails_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for readiness has a bound."""
    monkeypatch.setattr(processes, "READY_TIMEOUT_S", 0.3)
    with pytest.raises(PartFailedError, match="did not become ready"):
        async with running(spec(tmp_path, "import signal; signal.pause()")):
            pytest.fail("it never was ready")


async def test_a_part_that_ignores_the_stop_is_killed(tmp_path: Path) -> None:
    """Stopping has a bound."""
    async with running(spec(tmp_path, STUBBORN, stop_timeout=0.2)) as process:
        pid = process.state.pid
    assert not alive(pid)


async def test_nothing_of_our_environment_reaches_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the user's shell stays there."""
    monkeypatch.setenv("AMAS_MODEL_API_KEY", "very-secret")
    async with running(spec(tmp_path, SLEEPER)) as process:
        environment = psutil.Process(process.state.pid).environ()
    assert environment["MARK"] == "yes"
    assert "very-secret" not in environment.values()


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from amas_cli.local.processes import ManagedProcess, ProcessSpec

async def main():
    folder = Path(sys.argv[1])
    async def ready():
        return (folder / "up").exists()
    process = ManagedProcess(ProcessSpec(
        name="part", argv=(sys.executable, "-I", "-c", sys.argv[3]), environment={}, directory=folder,
        log=folder / "part.log", ready=ready))
    await process.start()
    print(process.state.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_parts_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """kill -9 of the supervisor leaves no stray process."""
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SUPERVISOR, str(tmp_path), str(tmp_path), STUBBORN), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    pid = int(await asyncio.wait_for(supervisor.stdout.readline(), WAIT_S))
    assert alive(pid)
    supervisor.kill()
    await supervisor.wait()
    await until(lambda: not alive(pid))


PARENT = textwrap.dedent(
    """
    import pathlib, signal, subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    pathlib.Path("child").write_text(str(child.pid))
    pathlib.Path("up").touch()
    signal.pause()
    """
)


async def test_what_a_dead_part_leaves_behind_is_ended(tmp_path: Path) -> None:
    """A tool server whose policy-sidecar was killed does not stay."""
    adopt_orphans()
    async with running(spec(tmp_path, PARENT)) as process:
        child = int((tmp_path / "child").read_text())
        os.kill(process.state.pid, signal.SIGKILL)
        # Beside it there may be orphans of other tests, which this process has adopted as well.
        await until(lambda: child in {orphan.pid for orphan in orphans({process.state.pid})})
        await end_orphans(lambda: {process.state.pid}, grace=0.1)
        assert not alive(child)
        await until(lambda: process.state.state == "ready")
    await end_orphans(set, grace=0.1)


def test_our_own_short_programs_are_no_orphans() -> None:
    """The exit code of a pg_isready belongs to whoever started it."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        assert child.pid not in {orphan.pid for orphan in orphans(set())}
    finally:
        child.communicate(timeout=WAIT_S)
