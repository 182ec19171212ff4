"""What the supervisor tells the one who started it, as JSON lines over a pipe: progress, then ready or failed."""

import json
from dataclasses import asdict, dataclass
from typing import IO

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode


@dataclass(frozen=True)
class PartReady:
    """One step of the start is done."""

    part: str
    seconds: float


@dataclass(frozen=True)
class PlatformReady:
    """Everything answers; nothing follows."""

    seconds: float


@dataclass(frozen=True)
class PlatformFailed:
    """Nothing runs any more; nothing follows."""

    message: str
    next_step: str
    exit_code: int
    details: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: CliError) -> "PlatformFailed":
        return cls(error.message, error.next_step, int(error.exit_code), error.details)

    def error(self) -> CliError:
        """The same as what a command raises."""
        return CliError(
            self.message,
            next_step=self.next_step,
            exit_code=ExitCode(self.exit_code),
            details=tuple(self.details),
        )


Event = PartReady | PlatformReady | PlatformFailed
_TYPES: dict[str, type[Event]] = {kind.__name__: kind for kind in (PartReady, PlatformReady, PlatformFailed)}


def write_event(pipe: IO[str], event: Event) -> None:
    """Write one; a reader that went away is no reason to stop."""
    try:
        pipe.write(json.dumps({"type": type(event).__name__, **asdict(event)}) + "\n")
        pipe.flush()
    except (OSError, ValueError):
        return


def parse_event(line: str) -> Event:
    """The event of a line."""
    raw = json.loads(line)
    return _TYPES[raw.pop("type")](**raw)
