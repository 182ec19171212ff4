"""Sandbox: what a program that the policy-sidecar starts as a tool server may reach and use up.

Everything that is not said here is closed: no network, no folder. Folders are named relative to the working folder that
the operator chose, so that no resource can name another place of the machine.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from amas_governance.admission import Rule, pattern, rules, size_in_bytes
from amas_governance.quantities import Duration, Size

from .manifest_fields import AS_SET, Model

MAX_FOLDERS = 16
_MAX_FOLDER = 512
# The smallest memory in which an interpreter starts.
_LEAST_MEMORY = 16 * 1024 * 1024


def _inner_folder(value: str) -> str:
    parts = value.split("/")
    if value != "." and any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise ValueError("expected `.` or a path below the working folder, without `..` and without a leading /")
    return value


def _apart(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError("a folder appears twice")
    # An outer folder before what lies in it: in that order they are put into place.
    return tuple(sorted(value))


# A part is neither empty nor `.` nor `..`.
_PART = r"([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)"
Folder = Annotated[
    str,
    Field(min_length=1, max_length=_MAX_FOLDER),
    AfterValidator(_inner_folder),
    pattern(rf"\.|{_PART}(/{_PART})*", longest=_MAX_FOLDER),
]
Folders = Annotated[tuple[Folder, ...], AfterValidator(_apart), Field(max_length=MAX_FOLDERS), AS_SET]


def _memory(value: int) -> int:
    if value < _LEAST_MEMORY:
        raise ValueError("expected at least 16Mi")
    return value


_ENOUGH = Rule(f"{size_in_bytes('self')} >= {_LEAST_MEMORY}", "expected at least 16Mi")


class Sandbox(Model):
    """Network, folders, and bounds. Memory, CPU time, open files and file size are bounds of each process."""

    network: Literal["none", "host"] = "none"
    readable: Folders = ()
    writable: Folders = ()
    memory: Annotated[Size, AfterValidator(_memory), rules(_ENOUGH)] = 512 * 1024 * 1024
    processes: Annotated[int, Field(ge=1, le=4096)] = 64
    cpu: Duration = 600.0
    open_files: Annotated[int, Field(ge=16, le=65_536)] = 256
    file_size: Size = 64 * 1024 * 1024
    temporary: Size = 64 * 1024 * 1024
