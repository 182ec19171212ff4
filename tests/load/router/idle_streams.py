"""Memory that a stream costs while its model says nothing: thousands of them, open at once."""

from __future__ import annotations

import resource
import subprocess
import sys

import psutil

from ..report import Row
from .measure import load_command
from .ours import ROUTER_PARTS
from .plan import Endpoint, Outcome, Plan
from .processes import ROOT
from .stage import Stage

STREAMS, QUICK_STREAMS = 10_000, 500
RATE = 150.0
"""Streams begun a second."""
HOLD_S = 30.0
SPARE_FILES = 500
"""Descriptors of a process that are no streams."""
OPEN_TIMEOUT_S = 200.0
AIM_KB = 40
IDLE_ROUTE = "bench-idle"
KB = 1024


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Opens as many as the file limits allow, weighs the two processes, and closes them."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
    wanted = min(QUICK_STREAMS if quick else STREAMS, allowed)
    ours = stage.ours.endpoint
    endpoint = Endpoint(ours.port, ours.path, ours.headers, IDLE_ROUTE)
    plan = Plan(endpoint, "idle", HOLD_S, stream=True, rate=RATE, connections=wanted)
    before = _resident(stage)
    process = subprocess.Popen(
        load_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, cwd=ROOT
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(plan.to_json() + "\n")
        process.stdin.flush()
        if process.stdout.readline().strip() != "open":
            raise RuntimeError("the load generator ended before the streams were open")
        after = _resident(stage)
        told, _ = process.communicate(timeout=HOLD_S + OPEN_TIMEOUT_S)
    finally:
        process.kill()
    return rows(wanted, before, after, Outcome.from_json(told.splitlines()[-1]))


def rows(wanted: int, before: dict[str, int], after: dict[str, int], outcome: Outcome) -> list[Row]:
    """Bytes by part, over the streams that were really open."""
    if outcome.failures:
        print(f"router: {outcome.failures} idle streams were refused: {outcome.examples}", file=sys.stderr)
    refused = Row(f"{wanted} idle streams: refused", outcome.failures, "", aim="<= 0")
    if not outcome.answered:
        return [refused]
    each = {part: (after[part] - before[part]) / outcome.answered / KB for part in before}
    total = Row(f"memory a stream, {outcome.answered} idle ones", sum(each.values()), "KB", aim=f"<= {AIM_KB}")
    return [refused, total, *(Row(f"  of it {part}", kilobytes, "KB") for part, kilobytes in each.items())]


def _resident(stage: Stage) -> dict[str, int]:
    return {part: int(psutil.Process(stage.ours.parts[part]).memory_info().rss) for part in ROUTER_PARTS}
