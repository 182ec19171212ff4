"""Runs other programs: the one place where processes are made, and where their failures become sentences."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from .errors import ClusterError

# Nothing that is run to its end may take longer, in seconds, unless its caller says so.
DEFAULT_TIMEOUT_S = 60.0
# Of a failing program's output, characters.
SHOWN = 2000
SHOWN_ARGUMENTS = 200


def run(
    argv: Sequence[str | Path],
    *,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout: float = DEFAULT_TIMEOUT_S,
) -> str:
    """Runs to the end and answers standard output; a failure is a ClusterError with the program's own words."""
    name = Path(argv[0]).name
    done = attempt(argv, text=text, environment=environment, directory=directory, timeout=timeout)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-SHOWN:]
        shown = [str(part) for part in argv[1:] if not str(part).startswith("--")]
        raise ClusterError(f"{name} {' '.join(shown)[:SHOWN_ARGUMENTS]} failed ({done.returncode}): {said}")
    return done.stdout


def attempt(
    argv: Sequence[str | Path],
    *,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    timeout: float = DEFAULT_TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Runs to the end, whatever its exit code; only a program that is missing or too slow is an error."""
    try:
        return subprocess.run(  # noqa: S603 -- arguments are ours, never a shell's
            [str(part) for part in argv],
            check=False,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            env={**os.environ, **(environment or {})},
            cwd=directory,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{argv[0]} is not there; `make cluster-up` says which packages are missing") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{Path(argv[0]).name} took longer than {timeout:.0f} s") from error


def feed(argv: Sequence[str], write: Callable[[IO[bytes]], None], *, timeout: float) -> None:
    """Runs a program that reads what `write` writes; a failure is a ClusterError with the program's own words."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said, stderr=said)  # noqa: S603 -- as above
        except FileNotFoundError as error:
            raise ClusterError(f"{argv[0]} is not there; `make cluster-up` says which packages are missing") from error
        # Ends a program that has stopped reading, and so a writer that waits for it.
        late = threading.Timer(timeout, process.kill)
        late.start()
        try:
            with process, contextlib.suppress(BrokenPipeError):
                assert process.stdin is not None  # noqa: S101 -- for the type checker: PIPE was asked for
                with process.stdin as sink:
                    write(sink)
        finally:
            late.cancel()
        if process.returncode != 0:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()[-SHOWN:]
            raise ClusterError(f"{Path(argv[0]).name} failed ({process.returncode}): {words}")


def spawn(argv: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> int:
    """Starts a program in a session of its own that outlives us, output to `log`; answers its process id."""
    output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), output, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    words = [str(part) for part in argv]
    try:
        return os.posix_spawnp(words[0], words, {**os.environ, **environment}, file_actions=actions, setsid=True)
    except OSError as error:
        raise ClusterError(f"{words[0]} cannot be started: {error.strerror}") from error
