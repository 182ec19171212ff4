"""Starts and stops the cluster's processes by process id and start time, so that no other program is ever hit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from .commands import spawn
from .errors import ClusterError
from .files import write_json
from .layout import Layout
from .waiting import becomes

# A part may take as long to end after SIGTERM, in seconds; then it is killed.
STOP_TIMEOUT_S = 20.0
# Lines of a log that are shown when its program ended.
SHOWN_LINES = 15


class Processes:
    """The cluster's processes on this machine."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def start(self, name: str, argv: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Starts `name` detached from us, unless it runs."""
        if self.running(name):
            return
        self._layout.logs.mkdir(parents=True, exist_ok=True)
        pid = spawn(argv, self.log(name), environment or {})
        command = {"argv": [str(part) for part in argv], "environment": dict(environment or {})}
        write_json(self._file(name), {"pid": pid, "started": _start_ticks(pid), **command}, 0o600)

    def stop(self, name: str, timeout: float = STOP_TIMEOUT_S) -> None:
        """Stops `name` and forgets it: SIGTERM, then SIGKILL."""
        process = self._process(name)
        if process is not None:
            process.terminate()
            if not becomes(lambda: not _lives(process), timeout):
                process.kill()
                becomes(lambda: not _lives(process), timeout)
        self._file(name).unlink(missing_ok=True)

    def kill(self, name: str) -> None:
        """Ends `name` at once, as a crash would; it stays known, so that `restart` brings it back."""
        process = self._process(name)
        if process is None:
            raise ClusterError(f"{name} does not run; the parts that do: {', '.join(self.names()) or 'none'}")
        process.kill()
        becomes(lambda: not _lives(process), STOP_TIMEOUT_S)

    def restart(self, name: str) -> None:
        """Stops `name` if it runs, and starts it with the same command."""
        try:
            known = json.loads(self._file(name).read_text())
        except (OSError, ValueError) as error:
            raise ClusterError(f"no part named {name}; known: {', '.join(self.names()) or 'none'}") from error
        self.stop(name)
        self.start(name, known["argv"], known["environment"])

    def running(self, name: str) -> bool:
        """Whether `name` was started and lives."""
        return self._process(name) is not None

    def names(self) -> list[str]:
        """What was started and not stopped."""
        if not self._layout.processes.is_dir():
            return []
        return sorted(path.stem for path in self._layout.processes.glob("*.json"))

    def ended(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that do not run."""
        return [name for name in names if not self.running(name)]

    def log(self, name: str) -> Path:
        """The file with the output of `name`."""
        return self._layout.logs / f"{name}.log"

    def why(self, name: str, waited_for: str) -> str:
        """A sentence for a wait that was in vain: whether the part runs, and the end of its log."""
        state = "runs" if self.running(name) else "has ended"
        try:
            lines = self.log(name).read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        except OSError:
            lines = []
        return f"{waited_for}; {name} {state}. The end of {self.log(name)}:\n" + "\n".join(lines)

    def _file(self, name: str) -> Path:
        return self._layout.processes / f"{name}.json"

    def _process(self, name: str) -> psutil.Process | None:
        try:
            known = json.loads(self._file(name).read_text())
            process = psutil.Process(int(known["pid"]))
            # A number may have been given to another program meanwhile; its start time tells.
            if _start_ticks(process.pid) != known["started"] or not _lives(process):
                return None
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None
        return process


def _start_ticks(pid: int) -> int:
    """Clock ticks from boot to the start of a process (field 22 of proc(5)'s stat): no step of the clock moves it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
