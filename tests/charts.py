"""The charts as they are shipped, and the programs that render them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
RENDER_TIMEOUT_S = 120


def program(name: str) -> str:
    """Where a program of `make helm` is; a test without it is skipped."""
    found = shutil.which(name) or shutil.which(name, path=str(Path.home() / ".cache" / "amas" / "bin"))
    if found is None:
        pytest.skip(f"{name} is not here: `make helm` builds it into the cache, once")
    return found


def built() -> Path:
    """The umbrella with everything in it; built if it is not there, or older than what it is built from."""
    chart = ROOT / "out" / "charts" / "amas"
    sources = (path for folder in ("charts", "dashboards/rules") for path in (ROOT / folder).rglob("*"))
    changed = max(path.stat().st_mtime for path in sources if path.is_file())
    if not chart.is_dir() or (chart / "Chart.yaml").stat().st_mtime < changed:
        run(str(ROOT / "scripts" / "build_charts.sh"))
    return chart


def run(*command: str) -> str:
    """What a program says that may need Helm. AssertionError with its complaints."""
    path = f"{Path(program('helm')).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RENDER_TIMEOUT_S, check=False, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def documents(text: str) -> list[dict[str, Any]]:
    """Manifests in YAML."""
    return [document for document in YAML(typ="safe").load_all(text) if document]
