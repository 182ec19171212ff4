"""The input of a run from the command line: `-i key=value`, a file, or both."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import CliError
from .exit_codes import ExitCode

MAX_INPUT_BYTES = 4 * 1024 * 1024


def read_input(pairs: Sequence[str], file: str) -> dict[str, Any]:
    """A JSON object. A pair overrides the file; `key:=json` gives a value that is not a text."""
    given = _from_file(file) if file else {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.rstrip(":"):
            raise CliError(f"-i {pair!r} is not of the form key=value.", exit_code=ExitCode.USAGE)
        given[key.removesuffix(":")] = _json(value, f"-i {key}") if key.endswith(":") else value
    return given


def _from_file(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read(MAX_INPUT_BYTES + 1) if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"--input-file {name} cannot be read: {error}.", exit_code=ExitCode.USAGE) from error
    if len(text) > MAX_INPUT_BYTES:
        raise CliError(f"--input-file {name} is larger than {MAX_INPUT_BYTES // 2**20} MB.", exit_code=ExitCode.USAGE)
    value = _json(text, f"--input-file {name}")
    if not isinstance(value, dict):
        raise CliError(f"--input-file {name} must hold a JSON object.", exit_code=ExitCode.USAGE)
    return value


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(f"{where}: not JSON: {error}.", exit_code=ExitCode.USAGE) from error
