"""Owns the local platform: starts all parts, keeps them running, and stops them all. No part outlives it.

Runs in its own process (`python -m amas_cli.local.supervise`), or in that of `amas up --foreground`.
"""

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

from .budget_resources import write_budget_resources
from .environment import Wiring
from .events import Event, PartReady, PlatformFailed, PlatformReady
from .home import Home
from .lock import SupervisorLock
from .log_files import put_aside, rotate, tail
from .model_resources import write_model_resources
from .options import UpOptions
from .orphans import adopt_orphans, end_orphans
from .parts import STOP_ORDER
from .platform_plan import RUN_PART, PlatformPlan, repository_root
from .ports import internal_ports, public_ports, require_free
from .processes import ManagedProcess, PartFailedError, ProcessSpec
from .startup import Step, run_steps
from .state import PlatformState, load_state

HOUSEKEEPING_S = 5.0
LOG_LINES_SHOWN = 12
FULL_BYTES = 8 * 1024 * 1024
"""With less than this free, whatever failed failed for want of space: it could not even say so in its log."""
NO_SPACE = os.strerror(errno.ENOSPC)
MIN_FREE_BYTES = 300 * 1024 * 1024
"""A new database, its log and some room; less than this and the start would end half-way."""


class Plan(Protocol):
    """What is started."""

    def steps(self) -> list[Step]: ...


MAKE_PLAN = Callable[[Wiring, RUN_PART], Plan]

_log = logging.getLogger(__name__)


class Supervisor:
    """One start of the platform, from the lock to the last process stopped."""

    def __init__(
        self, home: Home, options: UpOptions, report: Callable[[Event], None], make_plan: MAKE_PLAN = PlatformPlan
    ) -> None:
        self._home = home
        self._options = options
        self._report = report
        self._make_plan = make_plan
        self._lock = SupervisorLock(home.lock)
        self._state = PlatformState()
        self._processes: dict[str, ManagedProcess] = {}
        self._stop = asyncio.Event()

    async def run(self) -> ExitCode:
        """Start, stay until asked to stop, stop. Reports every outcome; raises nothing that a user can cause."""
        begun = time.monotonic()
        try:
            self._take_lock()
        except (CliError, OSError) as error:
            refused = error if isinstance(error, CliError) else self._unusable(error)
            self._report(PlatformFailed.of(refused))
            return refused.exit_code
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        adopt_orphans()
        failure: CliError | None = None
        try:
            await self._start_or_stop()
            if not self._stop.is_set():
                self._state.ready_after = round(time.monotonic() - begun, 2)
                self._save()
                self._report(PlatformReady(self._state.ready_after))
                await self._stay()
        except CliError as error:
            failure = error
        except OSError as error:
            failure = self._unusable(error)
        await self._stop_all()
        if failure is not None:
            self._report(PlatformFailed.of(failure))
            return failure.exit_code
        if not self._state.ready_after:
            self._report(PlatformFailed("The start was interrupted.", "", int(ExitCode.INTERRUPTED)))
            return ExitCode.INTERRUPTED
        return ExitCode.OK

    def _unusable(self, error: OSError) -> CliError:
        return CliError(
            f"The state folder {self._home.root} cannot be used: {error.strerror or error}.",
            next_step="free some space there, or name another folder with AMAS_HOME",
        )

    def _take_lock(self) -> None:
        self._home.create()
        holder = self._lock.acquire()
        if holder is None:
            return
        raise CliError(
            f"The platform in {self._home.root} is running already (process {holder.pid}).",
            next_step="see it with `amas status`, stop it with `amas down`",
            exit_code=ExitCode.CONFLICT,
        )

    async def _start_or_stop(self) -> None:
        """Start everything, unless somebody asks to stop first. Raises CliError with the failing part's log."""
        plan = self._plan()
        start = asyncio.create_task(run_steps(plan.steps(), lambda name, s: self._report(PartReady(name, s))))
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not start.done():
            start.cancel()
            with contextlib.suppress(asyncio.CancelledError, PartFailedError):
                await start
            return
        try:
            await start
        except PartFailedError as error:
            raise self._explained(error) from error

    def _explained(self, error: PartFailedError) -> CliError:
        """A part's failure with the end of its log and a next step."""
        log = self._home.log(error.part)
        first, *further = error.message.strip().splitlines()
        details = (*further, *tail(log, LOG_LINES_SHOWN))[-LOG_LINES_SHOWN:]
        said_so = any(NO_SPACE in line for line in (error.message, *details))
        if said_so or shutil.disk_usage(self._home.root).free < FULL_BYTES:
            return CliError(
                f"{error.part}: the disk of {self._home.root} is full.",
                next_step="free some space, then try `amas up` again",
                details=details[-1:],
            )
        next_step = f"read {log if log.exists() else self._home.logs}, then try `amas up` again"
        return CliError(f"{error.part}: {first.rstrip('.:')}.", next_step=next_step, details=details)

    def _plan(self) -> Plan:
        """Choose ports, write the model's resources, wire the parts. Starts nothing."""
        self._require_space()
        put_aside(self._home.logs, keep="supervisor")
        kept = load_state(self._home)
        public = public_ports(self._options.port_base)
        require_free(public)
        internal = internal_ports(kept.internal_ports if kept else {}, avoid=public.values())
        workspace = Path(self._options.workspace or self._home.workspace).absolute()
        if not workspace.is_dir():
            raise CliError(f"--workspace {workspace} is not a folder.", exit_code=ExitCode.USAGE)
        self._state = PlatformState(
            supervisor_pid=os.getpid(), public_ports=public, internal_ports=internal, workspace=str(workspace)
        )
        wiring = Wiring(
            home=self._home,
            ports={**public, **internal},
            certificates={},
            workspace=workspace,
            policy_dir=repository_root() / "policies",
        )
        model = write_model_resources(self._home, wiring.url("scripted-model") + "/v1", self._options.model_environment)
        write_budget_resources(self._home, model)
        self._state.model = model.name
        self._save()
        return self._make_plan(wiring, self._run_part)

    def _require_space(self) -> None:
        free = shutil.disk_usage(self._home.root).free
        if free < MIN_FREE_BYTES:
            raise CliError(
                f"Only {free // 2**20} MB are free on the disk of {self._home.root}; "
                f"the platform needs {MIN_FREE_BYTES // 2**20} MB.",
                next_step="free some space, or name a folder on another disk with AMAS_HOME",
            )

    async def _run_part(self, spec: ProcessSpec) -> None:
        process = ManagedProcess(spec, on_change=self._save)
        self._processes[spec.name] = process
        self._state.processes[spec.name] = process.state
        await process.start()

    async def _stay(self) -> None:
        """Until asked to stop: bound the logs, and end what dead parts left behind."""
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), HOUSEKEEPING_S)
            for log in self._home.logs.glob("*.log"):
                rotate(log)
            await end_orphans(self._known)

    async def _stop_all(self) -> None:
        """In order, callers first. Each stop is bounded, so this is."""
        for name in STOP_ORDER:
            process = self._processes.get(name)
            if process is not None:
                try:
                    await process.stop()
                except Exception:
                    _log.exception("stopping %s", name)
        await end_orphans(self._known)
        self._state.supervisor_pid = 0
        self._save()
        self._lock.release()

    def _known(self) -> set[int]:
        return {process.state.pid for process in self._processes.values() if process.state.pid}

    def _save(self) -> None:
        """Write the state down; a full disk must not end what runs."""
        try:
            self._state.save(self._home)
        except OSError as error:
            _log.warning("state.json cannot be written: %s", error)
