"""What a jail shows and allows, as bubblewrap's options: pure, from a ToolServer's sandbox and what the machine has.

The order of the options is the order in which things are put into place. It must never show a place that the profile
was not given: no home, no secrets, no other tool's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amas_governance.resources import Sandbox

# Where the working folder's parts appear, and the program that sets the bounds.
WORKSPACE = "/workspace"
ENTRY = "/.amas/jail_entry.py"
TEMPORARY = "/tmp"  # noqa: S108 - the jail's own, which nobody else sees

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What programs read to find libraries, authorities and the time; nothing that says who is on this machine.
_CONFIGURATION = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
)
# Only for those that may use the network.
_NAMES = ("/etc/resolv.conf", "/etc/hosts", "/etc/services", "/etc/gai.conf")


@dataclass(frozen=True)
class Machine:
    """What of this machine every jail may read, beside the system's folders."""

    bwrap: str
    entry: Path
    interpreter: str
    programs: tuple[Path, ...]
    """Folders of the Python environment and of the programs that the operator names."""
    seccomp: bytes | None

    def shows(self, program: str) -> bool:
        """Whether a jail has the program."""
        path = Path(program)
        return any(path.is_relative_to(folder) for folder in (*map(Path, _SYSTEM), *self.programs))


def options_before(machine: Machine, sandbox: Sandbox, uid: int | None) -> list[str]:
    """All that stands before the working folder's parts."""
    return [*_namespaces(sandbox, uid), *_system(), *_fresh(sandbox), *_programs(machine, sandbox)]


def options_after() -> list[str]:
    """All that stands behind them: nothing of the outermost file system can be changed any more."""
    return ["--remount-ro", "/", "--chdir", "/"]


def folders(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The working folder's parts, outer ones first, so that what is writable in what is readable is so."""
    writable = set(sandbox.writable)
    return [
        {
            "path": path,
            "at": WORKSPACE if path == "." else f"{WORKSPACE}/{path}",
            "write": path in writable,
        }
        for path in sorted({*sandbox.readable, *sandbox.writable})
    ]


def jail_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment inside: the same, with a home that is there."""
    return {**environment, "HOME": TEMPORARY}


def bounds(sandbox: Sandbox, uid: int | None, folder: str = WORKSPACE) -> dict[str, Any]:
    """What `jail_entry.py` sets. DATA is what a process may write to; AS also covers memory that processes share."""
    return {
        "uid": uid,
        "folder": folder,
        "limits": {
            "DATA": sandbox.memory,
            "AS": sandbox.memory + _ADDRESS_ROOM,
            "NPROC": sandbox.processes,
            # Whole seconds are all that the kernel knows.
            "CPU": max(1, round(sandbox.cpu)),
            "NOFILE": sandbox.open_files,
            "FSIZE": sandbox.file_size,
            "MEMLOCK": 0,
            "MSGQUEUE": 0,
        },
    }


# Address space beyond the writable memory: programs, libraries and thread stacks that are mapped and never used.
_ADDRESS_ROOM = 4 * 1024 * 1024 * 1024


def _namespaces(sandbox: Sandbox, uid: int | None) -> list[str]:
    options = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    options += ["--hostname", "tool", "--clearenv", "--cap-drop", "ALL"]
    if sandbox.network == "none":
        options.append("--unshare-net")
    if uid is None:
        options += ["--unshare-user", "--disable-userns"]
    else:
        # Kept for the one step in which the tool's user is taken; with it they are gone.
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return options


def _system() -> list[str]:
    options: list[str] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            options += ["--ro-bind", name, name]
    return options


def _programs(machine: Machine, sandbox: Sandbox) -> list[str]:
    names = (*_CONFIGURATION, *(_NAMES if sandbox.network == "host" else ()))
    binds = [(path, path) for path in map(Path, names) if path.exists()]
    binds += [(folder, folder) for folder in machine.programs]
    binds.append((machine.entry, Path(ENTRY)))
    # Said here, since bubblewrap would make them for its own user alone.
    above = sorted({parent for _, at in binds for parent in at.parents if parent != Path("/")})
    options = [item for folder in above for item in ("--dir", str(folder))]
    return options + [item for source, at in binds for item in ("--ro-bind", str(source), str(at))]


def _fresh(sandbox: Sandbox) -> list[str]:
    bounded = ["--perms", "1777", "--size", str(max(sandbox.temporary, 4096)), "--tmpfs"]
    # The places are the jail's own: nobody else sees them.
    shared, kept = "/dev/shm", "/var/tmp"  # noqa: S108
    return [
        # Kernel settings below /proc are guarded by their owner alone, who may be our own user.
        *("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", *bounded, shared, "--remount-ro", "/dev"),
        *(*bounded, TEMPORARY, "--dir", "/var", "--symlink", TEMPORARY, kept, "--dir", WORKSPACE),
    ]


def outermost(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The folders without those that lie in another one of them or in the system's, in a stable order."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda one: (len(one.parts), str(one))):
        if not any(path.is_relative_to(outer) for outer in (*kept, *map(Path, _SYSTEM))):
            kept.append(path)
    return tuple(kept)
