"""Reads the resource files that `-f` names: files, folders with all that is below them, or standard input."""

import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import CliError
from .exit_codes import ExitCode

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
MAX_FILES = 1000
MAX_FILE_BYTES = 4 * 1024 * 1024
"""Both as in amas.gateway.v1: more would be refused there."""


def read_resource_files(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of name and content, each file once; raises CliError for what cannot be read."""
    found: dict[str, str] = {}
    for name in names:
        if name == "-":
            found["standard input"] = sys.stdin.read()
            continue
        for path in _files(Path(name)):
            found[str(path)] = _read(path)
    if not found:
        raise CliError(
            f"There is no .yaml, .yml or .json file in {', '.join(names)}.",
            exit_code=ExitCode.USAGE,
        )
    if len(found) > MAX_FILES:
        raise CliError(f"These are {len(found)} files; at most {MAX_FILES} go at once.", exit_code=ExitCode.USAGE)
    return list(found.items())


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(
            file
            for file in path.rglob("*")
            if file.suffix in SUFFIXES and file.is_file() and not _hidden(file.relative_to(path))
        )
    if not path.exists():
        raise CliError(f"There is no file {path}.", exit_code=ExitCode.USAGE)
    return [path]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CliError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MB.", exit_code=ExitCode.USAGE)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CliError(f"{path} is not UTF-8 text.", exit_code=ExitCode.USAGE) from error
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.", exit_code=ExitCode.USAGE) from error
