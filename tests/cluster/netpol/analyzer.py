"""The program that asks cyclonus which packets NetworkPolicies let through; no cluster is needed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BUILD_TIMEOUT_S = 800
ANALYSE_TIMEOUT_S = 60


class Analyzer:
    """Found in the cache, or built into it once."""

    def __init__(self) -> None:
        cache = os.environ.get("AMAS_CACHE_DIR") or str(Path.home() / ".cache" / "amas")
        self._program = _run([str(ROOT / "scripts" / "ensure_netpol.sh"), cache], BUILD_TIMEOUT_S).strip()

    def allowed(
        self, policies: list[dict[str, Any]], peers: dict[str, dict[str, Any]], asked: list[dict[str, Any]]
    ) -> list[bool]:
        """One answer for each question: from, to, port, protocol and the port's name, if it has one."""
        question = json.dumps({"policies": policies, "peers": peers, "probes": asked})
        return list(json.loads(_run([self._program], ANALYSE_TIMEOUT_S, question)))


def _run(command: list[str], timeout: int, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
