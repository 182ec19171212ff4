"""Runs one load against one system and notes what it cost."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from ..part_cpu import cpu_seconds, difference
from .cells import Cell
from .plan import Outcome, Plan
from .processes import ROOT, module
from .systems import System

LOAD_CORE, SYSTEM_CORE = 0, 1
"""The load generator, the upstream and what stores for us on one core, what is compared on the other."""
GRACE_S = 60.0
"""Seconds beyond a plan's own that its process may take."""
MILLISECONDS = 1000.0


class LoadFailedError(RuntimeError):
    """The load generator itself failed."""


@dataclass(frozen=True)
class Sample:
    """One system, one cell, one round."""

    outcome: Outcome
    cpu: dict[str, float]
    """CPU milliseconds a request by part."""
    counted: tuple[str, ...]

    @property
    def own_cpu(self) -> float:
        """CPU milliseconds a request of the parts that count."""
        return sum(self.cpu[part] for part in self.counted)

    @property
    def speed(self) -> float:
        """Answers a second."""
        return self.outcome.answered / self.outcome.seconds if self.outcome.seconds else 0.0

    @property
    def per_core(self) -> float:
        """Answers a second that one core can give, by what each costs."""
        return MILLISECONDS / self.own_cpu if self.own_cpu else 0.0


def run_load(plan: Plan) -> Outcome:
    """The outcome of a plan.

    Raises:
        LoadFailedError: the generator did not come to its end.
    """
    try:
        done = subprocess.run(
            load_command(),
            input=plan.to_json() + "\n",
            capture_output=True,
            text=True,
            timeout=plan.seconds + GRACE_S,
            cwd=ROOT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailedError(f"no end within {error.timeout:.0f} s") from error
    if done.returncode:
        raise LoadFailedError(done.stderr[-3000:])
    return Outcome.from_json(done.stdout.splitlines()[-1])


def load_command() -> list[str]:
    """The load generator on its core."""
    return ["taskset", "-c", str(LOAD_CORE), *module("load")]


def measure(system: System, cell: Cell) -> Sample:
    """Runs a cell against a system."""
    before = cpu_seconds(system.status())
    outcome = run_load(cell.plan(system.endpoint))
    spent = difference(before, cpu_seconds(system.status()))
    requests = max(1, outcome.answered)
    cpu = {part: MILLISECONDS * spent.get(part, 0.0) / requests for part in system.parts}
    return Sample(outcome, cpu, system.counted or tuple(system.parts))
