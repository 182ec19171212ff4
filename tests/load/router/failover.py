"""What a provider that fails costs the caller: refused, reset, left out by a circuit, hung, dying under load."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from ..report import Row, half_range, percentile
from .measure import GRACE_S, load_command, run_load
from .ours import NAME
from .plan import Endpoint, Outcome, Plan
from .processes import ROOT
from .resources import HEDGE_AFTER_MS, PLAIN
from .stage import Stage

RATE = 50.0
"""Calls a second: well below what ours carries, so that what is seen is the failover and no queue."""
SECONDS, QUICK_SECONDS = 2.5, 2.0
ROUNDS, QUICK_ROUNDS = 3, 1
CONNECTIONS = 256
SETTLE_S = 1.0
"""Calls until a circuit is open are not those that meet an open one."""
SHARES = (0.5, 0.99)
TOLERANCE_MS = 5.0
"""A timer on a busy core is late by this much: what is added to a hedge's delay in its aim."""


@dataclass(frozen=True)
class Fault:
    """A route whose first target fails in one way, and what that may add (milliseconds) at a percentile."""

    words: str
    route: str
    share: float
    aim_ms: float
    settles: bool = False
    """Whether what it is about shows only after some calls."""


FAULTS = (
    Fault("refused provider", "bench-refused", 0.99, 50),
    Fault("reset provider", "bench-reset", 0.99, 50),
    Fault("open circuit", "bench-open", 0.5, 1, settles=True),
    Fault("hung provider", "bench-hung", 0.99, HEDGE_AFTER_MS + TOLERANCE_MS),
)


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Figures for all faults; the last one leaves a provider dead."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with_it: dict[Fault, list[Outcome]] = defaultdict(list)
    backup: dict[Fault, list[Outcome]] = defaultdict(list)
    run_load(_plan(stage, PLAIN, SETTLE_S))
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for fault in FAULTS:
            # The backup alone, right before: the machine is another one a minute later.
            backup[fault].append(run_load(_plan(stage, PLAIN, seconds)))
            with_it[fault].append(_with(stage, fault, seconds))
    rows = []
    for fault in FAULTS:
        rows += fault_rows(fault, with_it[fault], backup[fault])
    return [*rows, *_dying(stage, seconds)]


def _with(stage: Stage, fault: Fault, seconds: float) -> Outcome:
    if fault.settles:
        run_load(_plan(stage, fault.route, SETTLE_S))
    outcome = run_load(_plan(stage, fault.route, seconds))
    _tell(fault.route, outcome)
    return outcome


def fault_rows(fault: Fault, with_it: list[Outcome], backup: list[Outcome]) -> list[Row]:
    """What the fault adds, round by round, to what the backup alone takes."""
    failures = sum(outcome.failures for outcome in with_it)
    rows = [Row(f"{fault.words}: failed calls", failures, "", aim="<= 0")]
    pairs = [pair for pair in zip(with_it, backup, strict=True) if pair[0].totals and pair[1].totals]
    if not pairs:
        return rows
    for share in SHARES:
        added = [percentile(one.totals, share) - percentile(other.totals, share) for one, other in pairs]
        aim = f"<= {fault.aim_ms:g}" if share == fault.share else None
        rows.append(
            Row(f"{fault.words}: added p{share * 100:.0f}", median(added), "ms", None, None, half_range(added), aim)
        )
    return rows


def _dying(stage: Stage, seconds: float) -> list[Row]:
    """One of two providers is killed in the middle of a load on both."""
    plan = _plan(stage, "bench-dying", 2 * seconds)
    process = subprocess.Popen(
        load_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        process.stdin.write(plan.to_json() + "\n")
        process.stdin.flush()
        time.sleep(seconds)
        stage.kill()
        told, errors = process.communicate(timeout=seconds + GRACE_S)
    finally:
        process.kill()
    if process.returncode:
        raise RuntimeError(f"the load generator failed: {errors[-2000:]}")
    outcome = Outcome.from_json(told.splitlines()[-1])
    _tell("bench-dying", outcome)
    return [
        Row("one of two providers dies under load: failed calls", outcome.failures, "", aim="<= 0"),
        Row("one of two providers dies under load: answered calls", outcome.answered, ""),
        Row("one of two providers dies under load: p99", percentile(outcome.totals, 0.99), "ms"),
    ]


def _plan(stage: Stage, route: str, seconds: float) -> Plan:
    ours = stage.ours.endpoint
    endpoint = Endpoint(ours.port, ours.path, ours.headers, route)
    return Plan(endpoint, "open", seconds, rate=RATE, connections=CONNECTIONS)


def _tell(route: str, outcome: Outcome) -> None:
    failed = f", {outcome.failures} FAILED {outcome.examples}" if outcome.failures else ""
    print(f"router: {NAME}, {route}: {outcome.answered} answered{failed}", file=sys.stderr)
