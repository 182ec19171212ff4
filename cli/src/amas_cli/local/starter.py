"""Starts the supervisor: detached with a pipe for its events, or inside this process. And stops it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .events import Event, PartReady, PlatformFailed, PlatformReady, parse_event
from .home import Home
from .lock import holder
from .log_files import tail
from .options import MODEL_VARIABLES, UpOptions
from .parts import embedded_postgres
from .processes import LAUNCHER
from .state import load_state

DOWN_TIMEOUT_S = 120.0
"""More than the sum of the parts' own bounds on a busy machine; then the supervisor is killed."""
KILLED_TIMEOUT_S = 10.0
POLL_S = 0.05
LOG_LINES_SHOWN = 12


def start_detached(
    home: Home, options: UpOptions, progress: Callable[[PartReady], None], *, tied: bool = False
) -> PlatformReady:
    """Start the platform in the background and wait until it is ready. `tied` stops it when this process ends.

    Raises CliError when it fails; nothing runs then. Ctrl-C while waiting stops what was started.
    """
    home.create()
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    # The model's key travels in the options, not in the environment, where other programs could read it.
    environment = {name: value for name, value in os.environ.items() if name not in MODEL_VARIABLES}
    environment["AMAS_HOME"] = str(home.root)
    log = os.open(home.log("supervisor"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*(_tie() if tied else ()), sys.executable, "-P", "-m", "amas_cli.local.supervise", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=home.root,
            pass_fds=(write_end,),
            start_new_session=True,
        )
    finally:
        os.close(log)
        os.close(write_end)
    assert process.stdin is not None  # noqa: S101 - asked for above
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(options.to_json().encode() + b"\n")
        process.stdin.close()
    try:
        with os.fdopen(read_end) as events:
            for line in events:
                event = parse_event(line)
                if isinstance(event, PartReady):
                    progress(event)
                elif isinstance(event, PlatformReady):
                    # It is not waited for: it is detached, and outlives us.
                    process.returncode = 0
                    return event
                else:
                    process.wait()
                    raise event.error()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(DOWN_TIMEOUT_S)
        raise
    raise CliError(
        f"The supervisor ended unexpectedly (exit code {process.wait()}).",
        next_step=f"read {home.log('supervisor')}",
        details=tail(home.log("supervisor"), LOG_LINES_SHOWN),
    )


def _tie() -> tuple[str, ...]:
    """Runs a command that gets SIGTERM when we end, however we end."""
    return (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGTERM)), "-")


def run_attached(home: Home, options: UpOptions, report: Callable[[Event], None]) -> ExitCode:
    """Run the supervisor here until Ctrl-C; raises CliError when it fails."""
    from .supervisor import Supervisor

    failures: list[PlatformFailed] = []

    def watch(event: Event) -> None:
        if isinstance(event, PlatformFailed):
            failures.append(event)
        else:
            report(event)

    code = asyncio.run(Supervisor(home, options, watch).run())
    if failures:
        raise failures[0].error()
    return code


def stop(home: Home) -> bool:
    """Stop the platform and wait until nothing of it runs; answers whether there was one. Safe to repeat."""
    current = holder(home.lock)
    if current is None:
        return False
    state = load_state(home)
    # The supervisor gives up the lock a moment before it ends; killed, so do its parts.
    pids = [current.pid, *(part.pid for part in (state.processes.values() if state else ()) if part.pid)]
    _signal(current.pid, signal.SIGTERM)
    if not _wait(lambda: holder(home.lock) is None, DOWN_TIMEOUT_S):
        # The kernel ends its children with it: see launch.py.
        _signal(current.pid, signal.SIGKILL)
        if not _wait(lambda: holder(home.lock) is None, KILLED_TIMEOUT_S):
            raise CliError(
                f"The supervisor (process {current.pid}) cannot be stopped.",
                next_step=f"read {home.log('supervisor')}",
            )
    _wait(lambda: not any(_runs(pid) for pid in pids), KILLED_TIMEOUT_S)
    return True


def delete_state(home: Home) -> None:
    """Delete the state folder of a platform that does not run, and its data wherever that is."""
    if holder(home.lock) is not None:
        raise CliError("The platform still runs.", next_step="run `amas down`", exit_code=ExitCode.CONFLICT)
    embedded_postgres(home, 0).remove()
    for folder in (home.policy_socket.parent, home.root):
        if folder.exists():
            shutil.rmtree(folder)


def _signal(pid: int, number: signal.Signals) -> None:
    if pid > 0:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _runs(pid: int) -> bool:
    """Whether it is there and has not ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait(condition: Callable[[], bool], timeout: float) -> bool:
    """Whether it came true within so many seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
