"""What a call costs in each system and adds to the answer's time: rounds over all systems, in turning order."""

from __future__ import annotations

import sys
from collections import defaultdict

from .cells import Cell, all_cells
from .measure import Sample, measure
from .overhead_rows import Samples
from .stage import Stage
from .systems import LITELLM, UPSTREAM

ROUNDS, QUICK_ROUNDS = 3, 1


def run(stage: Stage, *, quick: bool) -> Samples:
    """Samples by system and cell, one a round."""
    samples: Samples = defaultdict(list)
    systems = stage.systems()
    for number in range(QUICK_ROUNDS if quick else ROUNDS):
        for cell in all_cells(quick=quick):
            # Each round begins with another system, so that none is always first or after the same one.
            for place in range(len(systems)):
                system = systems[(place + number) % len(systems)]
                if takes_part(system.name, cell):
                    sample = measure(system, cell)
                    samples[system.name, cell].append(sample)
                    _tell(number, system.name, cell, sample)
    return samples


def takes_part(name: str, cell: Cell) -> bool:
    """LiteLLM is not asked at a rate that it cannot carry, where its queue would be all that is seen.

    What the upstream does at most is looked at once, to see that it limits nobody.
    """
    if name == LITELLM:
        return not cell.high
    return name != UPSTREAM or cell.kind == "open" or cell.kilobytes == 1


def _tell(number: int, name: str, cell: Cell, sample: Sample) -> None:
    failed = f", {sample.outcome.failures} FAILED {sample.outcome.examples}" if sample.outcome.failures else ""
    print(
        f"router: round {number + 1}, {cell.name}, {name}: {sample.speed:.0f}/s, {sample.own_cpu:.2f} ms CPU{failed}",
        file=sys.stderr,
    )
