"""One child process of the supervisor: started, watched, restarted with back-off, stopped within a bound."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .readiness import http_words
from .state import ProcessState

LAUNCHER = Path(__file__).with_name("launch.py")
RESTART_DELAY_FIRST_S = 0.2
RESTART_DELAY_MOST_S = 5.0
STABLE_AFTER_S = 20.0
"""A part that lived this long starts again without delay."""
READY_TIMEOUT_S = 60.0
"""At the first start; a restarted part is waited for as long as it lives."""
READY_POLL_S = 0.1
KILL_WAIT_S = 5.0

_log = logging.getLogger(__name__)


class PartFailedError(Exception):
    """A part did not become ready at the first start."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part
        self.message = message


@dataclass(frozen=True)
class ProcessSpec:
    """What to run and how to know that it is ready."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    ready: Callable[[], Awaitable[bool]]
    ready_url: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 15.0
    """Seconds from the stop signal to SIGKILL."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends when the supervisor dies."""
    identity: tuple[int, int] | None = None
    """Another uid and gid to run as."""


@dataclass
class ManagedProcess:
    """Keeps one spec running until it is stopped. Must be used from the main thread: see `launch.py`."""

    spec: ProcessSpec
    on_change: Callable[[], None] = lambda: None
    state: ProcessState = field(default_factory=ProcessState)
    _process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start it and wait until it is ready; raises PartFailedError if it ends or stays silent."""
        self.state.ready_url = self.spec.ready_url
        await self._spawn("starting")
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._until_ready()
        except TimeoutError:
            words = await http_words(self.spec.ready_url) if self.spec.ready_url else ""
            message = f"did not become ready within {READY_TIMEOUT_S:.0f} s"
            raise PartFailedError(self.spec.name, f"{message}: {words}" if words else message) from None
        if self._stopping.is_set():
            return
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    async def stop(self) -> None:
        """Ask it to end, kill it when it does not; safe to call at any time and twice."""
        self._stopping.set()
        await self._end(self._process)
        if self._keeper is not None:
            await self._keeper
            # The keeper may have been forking a successor.
            await self._end(self._process)
            self._keeper = None
        self.state.pid = 0
        self._change("stopped")

    async def _end(self, process: asyncio.subprocess.Process | None) -> None:
        if process is None or process.returncode is not None:
            return
        self._change("stopping")
        self._signal(process, self.spec.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), self.spec.stop_timeout)
        except TimeoutError:
            _log.warning("%s did not stop in time and is killed", self.spec.name)
            self._signal(process, signal.SIGKILL)
            await asyncio.wait_for(process.wait(), KILL_WAIT_S)

    async def _spawn(self, state: str) -> None:
        """Fork and exec through the launcher, with nothing inherited but what the spec says."""
        spec = self.spec
        identity = "-" if spec.identity is None else f"{spec.identity[0]}:{spec.identity[1]}"
        launcher = (sys.executable, "-I", "-S", str(LAUNCHER))
        ties = (str(os.getpid()), str(int(spec.orphan_signal)), identity)
        descriptor = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                *ties,
                *spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(spec.environment),
                cwd=spec.directory,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self.state.pid = self._process.pid
        self.state.created = time.time()
        self._change(state)

    async def _until_ready(self) -> None:
        """Poll until ready; raises PartFailedError when the process ends first."""
        process = self._process
        assert process is not None  # noqa: S101 - only called after _spawn
        while not await self.spec.ready():
            if self._stopping.is_set():
                return
            if process.returncode is not None:
                raise PartFailedError(self.spec.name, f"ended while starting ({_describe(process.returncode)})")
            await asyncio.sleep(READY_POLL_S)
        self._change("ready")

    async def _keep(self) -> None:
        """Restart it whenever it ends, for as long as nobody stops it."""
        delay = RESTART_DELAY_FIRST_S
        while not self._stopping.is_set():
            process = self._process
            assert process is not None  # noqa: S101 - set by start
            started = self.state.created
            code = await process.wait()
            if self._stopping.is_set():
                return
            delay = RESTART_DELAY_FIRST_S if time.time() - started > STABLE_AFTER_S else delay
            _log.warning("%s ended (%s), restarting in %.1f s", self.spec.name, _describe(code), delay)
            self.state.restarts += 1
            self.state.pid = 0
            self._change("restarting")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
                return
            delay = min(delay * 2, RESTART_DELAY_MOST_S)
            try:
                await self._spawn("restarting")
                await self._until_ready()
            except (OSError, PartFailedError) as error:
                _log.warning("%s: restart failed: %s", self.spec.name, error)

    def _signal(self, process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    def _change(self, state: str) -> None:
        self.state.state = state
        self.on_change()


def _describe(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
