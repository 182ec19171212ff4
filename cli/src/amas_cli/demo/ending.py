"""How a demo ends early: by a signal, or by an error whose logs must outlive it."""

import shutil
import signal
import tempfile
from pathlib import Path
from types import FrameType

from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode
from amas_cli.local.home import Home


def ended_by_signals() -> None:
    """SIGTERM and SIGHUP end a demo as Ctrl-C does: asyncio turns SIGINT into a cancellation."""
    # A shell starts background jobs with SIGINT ignored, and we raise it ourselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def keep_logs(home: Home, error: CliError | TimeoutError) -> CliError:
    """The same error, with the place to which the logs were copied."""
    kept = Path(tempfile.mkdtemp(prefix="amas-demo-logs-"))
    shutil.copytree(home.logs, kept, dirs_exist_ok=True)
    step = f"read the logs, which are kept in {kept}"
    if isinstance(error, CliError):
        return CliError(error.message, next_step=step, exit_code=error.exit_code, details=error.details)
    return CliError("The run took too long.", next_step=step, exit_code=ExitCode.UNAVAILABLE)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
