"""Runs the real OPA, which decides what policies mean. Nothing else of `amas` starts it; it needs no server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amas_cli.cache_folder import cache_folder
from amas_cli.errors import CliError
from amas_cli.exit_codes import ExitCode

TIMEOUT_S = 300.0
"""A policy that needs longer for what was asked has no end that anybody waits for."""
MAX_SHOWN_ERRORS = 20


class OpaRefusedError(Exception):
    """OPA refuses the sources or the evaluation; `errors` are lines that name their place."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors[:MAX_SHOWN_ERRORS]))
        self.errors = tuple(errors)

    def as_cli_error(self, message: str) -> CliError:
        """The same for a command that cannot go on."""
        return CliError(message, details=self.errors[:MAX_SHOWN_ERRORS], next_step="run `amas policy check`")


def find_opa() -> str:
    """Path of `opa`: on the PATH, else where `make opa` builds it."""
    found = shutil.which("opa")
    if found:
        return found
    built = cache_folder() / "bin" / "opa"
    if os.access(built, os.X_OK):
        return str(built)
    raise CliError(
        f"There is no `opa` on the PATH, and none in {built.parent}.",
        next_step="run `make opa` in the repository, or put OPA on the PATH",
        exit_code=ExitCode.UNAVAILABLE,
    )


def run_opa(*arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs `opa` to its end, whatever that is. CliError if it cannot be run or has no end in time."""
    command = [find_opa(), *(str(argument) for argument in arguments)]
    try:
        return subprocess.run(  # noqa: S603 - the program is OPA, and no shell reads the arguments
            command, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CliError(f"OPA had no answer within {TIMEOUT_S:.0f} seconds.") from error
    except OSError as error:
        raise CliError(f"{command[0]} cannot be run: {error.strerror}.", exit_code=ExitCode.UNAVAILABLE) from error


def ask_opa(*arguments: str | Path, given: str = "") -> Any:
    """The JSON that `opa` answers; None where it has nothing to say. OpaRefusedError for what it refuses."""
    done = run_opa(*arguments, given=given)
    for text in (done.stdout, done.stderr):
        try:
            answer = json.loads(text) if text.strip() else None
        except ValueError:
            continue
        if isinstance(answer, dict) and answer.get("errors"):
            raise OpaRefusedError([_described(error) for error in answer["errors"]])
        if answer is not None and done.returncode == 0:
            return answer
    if done.returncode != 0:
        raise OpaRefusedError((done.stderr or done.stdout).strip().splitlines() or ["it failed and said nothing"])
    return None


def _described(error: dict[str, Any]) -> str:
    location = error.get("location") or {}
    place = f"{location['file']}:{location.get('row', 0)}: " if location.get("file") else ""
    return f"{place}{error.get('message', '')}"
