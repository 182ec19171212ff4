"""How long the reference run takes on the whole platform, alone and among others, and which process works at it.

The model answers at once, so that what is seen is the platform's own time. Each round measures every concurrency, so
that what disturbs the machine for a while disturbs all of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from ..local_platform import LocalPlatform, running_platform
from .machine import load_row
from .part_cpu import cpu_seconds, difference
from .reference_resources import apply_reference
from .report import Row, half_range, percentile, publish, versions
from .run_client import Level, RunClient

NAME = "runs"
# Concurrency -> runs in one round.
RUNS = {1: 10, 10: 60, 50: 100}
QUICK_RUNS = {1: 5, 10: 30, 50: 50}
ROUNDS = 3
WARM_UP = 10
# The aim (seconds) and the concurrency that it is for.
AIMED, AIM = 10, "<= 1.5"
# Two principals: one may not hold as many streams as the largest concurrency needs.
PRINCIPALS = ("developer", "release-manager")
# Seconds for one round at one concurrency.
LEVEL_TIMEOUT_S = 90.0


def measure(*, quick: bool) -> Path:
    """Runs the benchmark; answers the path of its results."""
    load = load_row()
    with tempfile.TemporaryDirectory(prefix="amas-bench-") as folder, running_platform(Path(folder)) as platform:
        apply_reference(platform, Path(folder) / "resources")
        rows = asyncio.run(_measure(platform, quick=quick))
    measured = versions("dbos", "grpcio", "asyncpg", "fastapi")
    return publish(NAME, measured, [load, *rows], "python -m tests.load.bench --only runs")


async def _measure(platform: LocalPlatform, *, quick: bool) -> list[Row]:
    status = platform.status()
    tokens = [platform.token(principal) for principal in PRINCIPALS]
    client = RunClient(status["endpoints"]["api"], tokens)
    first = await client.round(1, 1)
    await client.round(WARM_UP, WARM_UP)
    levels: dict[int, list[Level]] = defaultdict(list)
    cpu: dict[int, list[dict[str, float]]] = defaultdict(list)
    for number in range(1 if quick else ROUNDS):
        for concurrency, runs in (QUICK_RUNS if quick else RUNS).items():
            before = cpu_seconds(status)
            async with asyncio.timeout(LEVEL_TIMEOUT_S):
                level = await client.round(runs, concurrency)
            spent = difference(before, cpu_seconds(status))
            levels[concurrency].append(level)
            cpu[concurrency].append({part: seconds / runs for part, seconds in spent.items()})
            told = f"runs: round {number + 1}, {concurrency} at once: {runs} runs in {level.seconds:.1f} s"
            print(told + (f", {level.refusals} refusals" if level.refusals else ""), file=sys.stderr)
    rows = [Row("first run on a fresh platform", first.runs[0].run, "s")]
    for concurrency, rounds in levels.items():
        rows += _time_rows(concurrency, rounds)
    rows += _cpu_rows(cpu[AIMED])
    rows.append(Row("resident memory after the runs", platform.status()["total_rss_mb"], "MiB", aim="<= 900"))
    return rows


def _time_rows(concurrency: int, rounds: list[Level]) -> list[Row]:
    rows = []
    for share in (0.5, 0.95, 0.99):
        of_rounds = [percentile([run.run for run in level.runs], share) for level in rounds]
        pooled = percentile([run.run for level in rounds for run in level.runs], share)
        aim = AIM if concurrency == AIMED and share == 0.95 else None
        name = f"run, {concurrency} at once, p{share * 100:.0f}"
        rows.append(Row(name, pooled, "s", spread=half_range(of_rounds), aim=aim))
    accepts = [percentile([run.accept for run in level.runs], 0.95) for level in rounds]
    rows.append(Row(f"accepting a run, {concurrency} at once, p95", max(accepts), "s", spread=half_range(accepts)))
    speeds = [len(level.runs) / level.seconds for level in rounds]
    rows.append(
        Row(f"runs a second, {concurrency} at once", sum(speeds) / len(speeds), "1/s", spread=half_range(speeds))
    )
    return rows


def _cpu_rows(rounds: list[dict[str, float]]) -> list[Row]:
    """CPU a run by part at the aimed concurrency, the busiest first."""
    means = {part: sum(spent[part] for spent in rounds) / len(rounds) for part in rounds[0]}
    rows = [Row(f"CPU a run, {AIMED} at once, all parts", 1000 * sum(means.values()), "ms")]
    for part, seconds in sorted(means.items(), key=lambda pair: -pair[1]):
        spread = 1000 * half_range([spent[part] for spent in rounds])
        rows.append(Row(f"CPU a run, {AIMED} at once, {part}", 1000 * seconds, "ms", spread=spread))
    return rows
