"""What runs of the local platform, how much memory it holds, where it answers: from state.json and the kernel."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass

import psutil

from .home import Home
from .lock import holder
from .ports import LOOPBACK
from .readiness import http_ok, http_words
from .state import PlatformState, ProcessState, load_state

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True)
class PartStatus:
    """One part, with the processes that it started itself."""

    name: str
    pid: int
    state: str
    restarts: int
    rss_mb: float
    """Resident memory of the part and of what it started, in MiB. Memory that several processes share (libraries,
    Postgres's buffers) is divided among them, so that the sum counts it once."""
    uptime_s: float


@dataclass(frozen=True)
class PlatformStatus:
    """Everything that `amas status` shows."""

    running: bool
    home: str
    supervisor_pid: int
    ready: bool
    ready_after_s: float
    """Seconds that the last start took."""
    total_rss_mb: float
    model: str
    workspace: str
    endpoints: dict[str, str]
    parts: tuple[PartStatus, ...]
    notes: tuple[str, ...] = ()
    """What somebody should know of parts that are ready all the same, such as tools that run without isolation."""


def platform_status(home: Home) -> PlatformStatus:
    """Look now. A platform that does not run has no parts and no endpoints."""
    current, state = holder(home.lock), load_state(home)
    if current is None or state is None:
        return PlatformStatus(
            running=False,
            home=str(home.root),
            supervisor_pid=0,
            ready=False,
            ready_after_s=0.0,
            total_rss_mb=0.0,
            model="",
            workspace="",
            endpoints={},
            parts=(),
        )
    names = list(state.processes)
    ready, notes = asyncio.run(_asked([state.processes[name] for name in names]))
    parts = tuple(_part(name, state.processes[name], up) for name, up in zip(names, ready, strict=True))
    own = _memory(current.pid, recursive=False)
    return PlatformStatus(
        running=True,
        home=str(home.root),
        supervisor_pid=current.pid,
        ready=bool(state.ready_after) and all(part.state == "ready" for part in parts),
        ready_after_s=state.ready_after,
        total_rss_mb=round(own + sum(part.rss_mb for part in parts), 1),
        model=state.model,
        workspace=state.workspace,
        endpoints=endpoints(state),
        parts=(
            PartStatus("supervisor", current.pid, "ready", 0, own, round(time.time() - state.started_at, 1)),
            *parts,
        ),
        notes=notes,
    )


def endpoints(state: PlatformState) -> dict[str, str]:
    """Where people and programs reach the platform."""
    ports = state.public_ports
    http = f"http://{LOOPBACK}:{ports['http']}"
    return {
        "api": f"{http}/v1",
        "docs": f"{http}/docs",
        "openai": f"{http}/v1",
        "grpc": f"{LOOPBACK}:{ports['grpc']}",
        "issuer": f"http://{LOOPBACK}:{ports['issuer']}",
        "auditLog": f"https://{LOOPBACK}:{ports['audit-log']}",
        "model": f"http://{LOOPBACK}:{ports['scripted-model']}/v1",
    }


async def _asked(processes: list[ProcessState]) -> tuple[list[bool], tuple[str, ...]]:
    """Whether each is ready, and the notes of all."""
    ready, words = await asyncio.gather(_ready(processes), _words(processes))
    return ready, tuple(note for text in words for note in _notes(text))


async def _words(processes: list[ProcessState]) -> list[str]:
    return await asyncio.gather(*(http_words(process.ready_url) for process in processes if process.ready_url))


def _notes(text: str) -> list[str]:
    """The notes of an answer to /readyz; other answers have none."""
    try:
        notes = json.loads(text)["notes"]
        return [f"{name} {note}" for name, note in notes.items()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


async def _ready(processes: list[ProcessState]) -> list[bool]:
    """Ask those that have an address; the others are as the supervisor saw them."""

    async def one(process: ProcessState) -> bool:
        if process.state != "ready" or not process.ready_url:
            return process.state == "ready"
        return await http_ok(process.ready_url)

    return await asyncio.gather(*(one(process) for process in processes))


def _part(name: str, process: ProcessState, ready: bool) -> PartStatus:
    state = "not ready" if process.state == "ready" and not ready else process.state
    uptime = round(time.time() - process.created, 1) if process.pid else 0.0
    return PartStatus(name, process.pid, state, process.restarts, _memory(process.pid, recursive=True), uptime)


def _memory(pid: int, *, recursive: bool) -> float:
    """Resident MiB of a process, with its descendants if asked."""
    if not pid:
        return 0.0
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [process, *(process.children(recursive=True) if recursive else [])]:
            with contextlib.suppress(psutil.Error):
                total += resident(one)
    return round(total / MIB, 1)


def resident(process: psutil.Process) -> int:
    """Proportional set size in bytes (proc(5), smaps_rollup); the plain resident size where the kernel hides it."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * KIB
    except OSError:
        pass
    return int(process.memory_info().rss)
