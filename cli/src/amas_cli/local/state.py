"""What the supervisor writes down for `amas status`, `amas down` and the next start. No secret is ever in it."""

import json
import time
from dataclasses import asdict, dataclass, field

from .home import Home, write_private


@dataclass
class ProcessState:
    """One part as the supervisor sees it."""

    pid: int = 0
    created: float = 0.0
    """Start time of the process in seconds since the epoch, so that a pid used again is not mistaken for ours."""
    state: str = "stopped"
    """starting | ready | restarting | stopping | stopped | failed"""
    restarts: int = 0
    ready_url: str = ""


@dataclass
class PlatformState:
    """The content of state.json."""

    supervisor_pid: int = 0
    started_at: float = field(default_factory=time.time)
    ready_after: float = 0.0
    """Seconds from the start to readiness; 0 while starting."""
    public_ports: dict[str, int] = field(default_factory=dict)
    internal_ports: dict[str, int] = field(default_factory=dict)
    workspace: str = ""
    model: str = "scripted"
    processes: dict[str, ProcessState] = field(default_factory=dict)

    def save(self, home: Home) -> None:
        """Write state.json in one move."""
        write_private(home.state, json.dumps(asdict(self), indent=1))


def load_state(home: Home) -> PlatformState | None:
    """The last written state; None if there is none or it cannot be read (an older version's, say)."""
    try:
        raw = json.loads(home.state.read_text())
        processes = {name: ProcessState(**values) for name, values in raw.pop("processes").items()}
        return PlatformState(**raw, processes=processes)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
