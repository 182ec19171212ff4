"""The figures of the overhead benchmark: ratios are taken round by round, so that a slow minute is in both sides."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from ..report import Row, half_range, percentile
from .cells import SIZES, Cell, most, steady
from .measure import Sample
from .ours import NAME
from .systems import LITELLM, PASSTHROUGH, PORTKEY, UPSTREAM

Samples = dict[tuple[str, Cell], list[Sample]]

CPU_AIM = "<= 1.2"
SPEED_AIMS = {LITELLM: ">= 20", PORTKEY: ">= 1.6", PASSTHROUGH: ">= 0.5"}
LATENCY_AIMS = {LITELLM: "<= 0.1", PORTKEY: "<= 1"}
LEAST_MS = 0.001
"""What an added time is at least taken for, where noise makes it less than nothing."""
SHARES = (0.5, 0.99)


def rows(samples: Samples, *, quick: bool) -> list[Row]:
    """All of them: CPU and speed, size by size, then latency."""
    found: list[Row] = []
    for kilobytes in SIZES:
        for stream in (False, True):
            found += _cost(samples, most(stream, kilobytes, quick=quick))
    for high in (False, True):
        for stream in (False, True):
            found += _latency(samples, steady(stream, high=high, quick=quick))
    return found


def _cost(samples: Samples, cell: Cell) -> list[Row]:
    """CPU a call of every system, ours by part, and what a core can do by it; the ratios are ours to theirs."""
    if (NAME, cell) not in samples:
        return []
    ours = samples[NAME, cell]
    aim = CPU_AIM if not cell.stream and cell.kilobytes == 1 else None
    found = [_row(f"CPU a call, {cell.name}", "ms", [sample.own_cpu for sample in ours], aim=aim)]
    for part in ours[0].cpu:
        words = f"  of it {part}" if part in ours[0].counted else f"  besides, {part}"
        found.append(_row(words, "ms", [sample.cpu[part] for sample in ours]))
    names = _others(samples, cell)
    for name in names:
        found.append(_row(f"  {name}", "ms", [sample.own_cpu for sample in samples[name, cell]]))
    per_core = [sample.per_core for sample in ours]
    found.append(_row(f"calls/s a core by CPU, {cell.name}", "1/s", per_core))
    for name in names:
        theirs = [sample.per_core for sample in samples[name, cell]]
        found.append(_beside(name, "1/s", per_core, theirs, SPEED_AIMS.get(name)))
    found.append(_row(f"calls/s answered, {cell.name}", "1/s", [sample.speed for sample in ours]))
    for name in (*names, UPSTREAM):
        if (name, cell) in samples:
            found.append(_row(f"  {name}", "1/s", [sample.speed for sample in samples[name, cell]]))
    failures = sum(sample.outcome.failures for sample in ours)
    return [*found, Row(f"failed calls, {cell.name}", failures, "", aim="<= 0")]


def _latency(samples: Samples, cell: Cell) -> list[Row]:
    """What each system adds to the upstream's own time at the same rate."""
    if (NAME, cell) not in samples or (UPSTREAM, cell) not in samples:
        return []
    kinds: list[tuple[str, Callable[[Sample], list[float]]]] = [("", lambda sample: sample.outcome.totals)]
    if cell.stream:
        kinds.insert(0, (" to first token", lambda sample: sample.outcome.firsts))
    found = []
    for words, times in kinds:
        for share in SHARES:
            added = {
                name: _added(samples[name, cell], samples[UPSTREAM, cell], times, share)
                for name in (NAME, *_others(samples, cell))
            }
            ours = added.pop(NAME)
            found.append(_row(f"added p{share * 100:.0f}{words}, {cell.name}", "ms", ours))
            found += [_beside(name, "ms", ours, theirs, LATENCY_AIMS.get(name)) for name, theirs in added.items()]
    return found


def _added(
    samples: list[Sample], alone: list[Sample], times: Callable[[Sample], list[float]], share: float
) -> list[float]:
    """By round, the percentile less that of the upstream alone; nothing answered counts as the longest wait."""
    pairs = zip(samples, alone, strict=True)
    return [max(LEAST_MS, _percentile(times(one), share) - _percentile(times(other), share)) for one, other in pairs]


def _percentile(times: list[float], share: float) -> float:
    return percentile(times, share) if times else float("inf")


def _others(samples: Samples, cell: Cell) -> list[str]:
    return [name for name, measured in samples if measured == cell and name not in (NAME, UPSTREAM)]


def _row(metric: str, unit: str, values: list[float], aim: str | None = None) -> Row:
    return Row(metric, median(values), unit, spread=half_range(values), aim=aim)


def _beside(name: str, unit: str, ours: list[float], theirs: list[float], aim: str | None) -> Row:
    """A peer's own figure, with the ratio of ours to it. A round in which it answered nothing has no ratio."""
    ratios = [own / other for own, other in zip(ours, theirs, strict=True) if 0 < other < float("inf")]
    if not ratios:
        return _row(f"  {name}", unit, theirs)
    return Row(f"  {name}", median(theirs), unit, name, median(ratios), half_range(theirs), aim)
