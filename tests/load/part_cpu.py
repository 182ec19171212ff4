"""CPU seconds of the platform's parts, each with the processes that it started; tool servers stand for themselves."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import psutil

SIDECAR = "policy-sidecar"
TOOLS = "tool servers"
CLIENT = "client of the benchmark"


def cpu_seconds(status: dict[str, Any]) -> dict[str, float]:
    """CPU seconds so far by part, from what `amas status` says; the benchmark itself is in it too."""
    spent = {TOOLS: 0.0, CLIENT: _own(psutil.Process(os.getpid()))}
    for part in status["parts"]:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(part["pid"]))
            children = [] if part["name"] == "supervisor" else process.children(recursive=True)
            below = 0.0
            for child in children:
                with contextlib.suppress(psutil.Error):
                    below += _own(child)
            if part["name"] == SIDECAR:
                spent[TOOLS] += below
                below = 0.0
            spent[part["name"]] = _own(process) + below
    return spent


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    # What ended children used is in their parent's account: Postgres's connections come and go.
    return float(times.user + times.system + times.children_user + times.children_system)


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """CPU seconds between two readings."""
    return {part: after[part] - before.get(part, 0.0) for part in after}
