"""Runs the services' `migrate` once for each version of their code, and remembers that beside the data."""

import asyncio
import hashlib
import os
import signal
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from .environment import Wiring, migration_environment, module_of
from .home import Home, write_private
from .processes import LAUNCHER, PartFailedError

WITH_DATABASE = ("audit", "orchestrator", "ai-router")
MIGRATION_TIMEOUT_S = 120.0
ENGINES = ("alembic", "sqlalchemy", "dbos")
"""Packages whose version decides what a migration does."""


async def migrate(service: str, wiring: Wiring) -> bool:
    """Migrate unless this code did so already; answers whether it ran. Raises PartFailedError."""
    name = log_name(service)
    stamp, key = _stamps(wiring.home) / service, content_key(service)
    if stamp.exists() and stamp.read_text() == key:
        return False
    stamp.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", module_of(service), "migrate"]
    descriptor = os.open(wiring.home.log(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL)), "-"),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=migration_environment(service, wiring),
            cwd=wiring.home.root,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    try:
        code = await asyncio.wait_for(process.wait(), MIGRATION_TIMEOUT_S)
    except TimeoutError:
        raise PartFailedError(name, f"took longer than {MIGRATION_TIMEOUT_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise PartFailedError(name, f"ended with exit code {code}")
    stamp.parent.mkdir(exist_ok=True, mode=0o700)
    write_private(stamp, key)
    return True


def was_migrated(home: Home) -> bool:
    """Whether this platform had a database that `migrate` was run on."""
    return any(_stamps(home).glob("*"))


def _stamps(home: Home) -> Path:
    return home.postgres.parent / "stamps"


def log_name(service: str) -> str:
    """Name of the part as it is shown, and of its log."""
    return f"migrate-{service}"


def content_key(service: str) -> str:
    """Digest of the service's source and of the engines' versions: another key means that `migrate` runs again."""
    digest = hashlib.sha256()
    for folder in _folders(module_of(service)):
        for file in sorted(folder.rglob("*")):
            if file.suffix in {".py", ".sql", ".ini"}:
                digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    for package in ENGINES:
        digest.update(f"{package}={metadata.version(package)}\n".encode())
    return digest.hexdigest()


def _folders(module: str) -> list[Path]:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise PartFailedError(module, "is not installed; run `make setup`")
    return [Path(place) for place in spec.submodule_search_locations]
