"""The figures of the overhead benchmark: ratios are taken round by round, so that a slow minute is in both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
            cell = most(stream, kilobytes, quick=quick)
            if (NAME, cell) in samples:
                found += _cost(samples, cell)
    for high in (False, True):
        for stream in (False, True):
            found += _latency(samples, steady(stream, high=high, quick=quick))
    return found


def _cost(samples: Samples, cell: Cell) -> list[Row]:
    """CPU a request of every system, ours by part, and speeds beside the peers."""
    ours = samples[NAME, cell]
    aim = CPU_AIM if not cell.stream and cell.kilobytes == 1 else None
    found = [_row(f"CPU a request, {cell.name}", "ms", [sample.own_cpu for sample in ours], aim=aim)]
    for part in ours[0].cpu:
        apart = "" if part in ours[0].counted else " (not counted)"
        found.append(_row(f"  of it {part}{apart}", "ms", [sample.cpu[part] for sample in ours]))
    for name in _others(samples, cell):
        found.append(_row(f"CPU a request, {cell.name}, {name}", "ms", [s.own_cpu for s in samples[name, cell]]))
    per_core = [sample.per_core for sample in ours]
    for name in _others(samples, cell):
        theirs = [sample.per_core for sample in samples[name, cell]]
        metric = f"requests/s a core by CPU, {cell.name}"
        found.append(_beside(metric, "1/s", per_core, theirs, name, SPEED_AIMS.get(name)))
    speeds = [sample.speed for sample in ours]
    for name in (*_others(samples, cell), UPSTREAM):
        theirs = [sample.speed for sample in samples.get((name, cell), [])]
        if theirs:
            found.append(_beside(f"requests/s on one core, {cell.name}", "1/s", speeds, theirs, name, None))
    failures = sum(sample.outcome.failures for sample in ours)
    return [*found, Row(f"failed calls, {cell.name}", failures, "", aim="<= 0")]


def _latency(samples: Samples, cell: Cell) -> list[Row]:
    """What each system adds to the upstream's own time."""
    if (NAME, cell) not in samples or (UPSTREAM, cell) not in samples:
        return []
    names = [NAME, *_others(samples, cell)]
    found = []
    kinds: list[tuple[str, Callable[[Sample], list[float]]]] = [("", lambda sample: sample.outcome.totals)]
    if cell.stream:
        kinds.insert(0, (" to the first token", lambda sample: sample.outcome.firsts))
    for words, times in kinds:
        for share in SHARES:
            metric = f"added p{share * 100:.0f}{words}, {cell.name}"
            added = {name: _added(samples[name, cell], samples[UPSTREAM, cell], times, share) for name in names}
            for name in names[1:]:
                found.append(_beside(metric, "ms", added[NAME], added[name], name, LATENCY_AIMS.get(name)))
            found += [_row(f"{metric}, {name}", "ms", added[name]) for name in names]
    return found


def _added(
    samples: list[Sample], alone: list[Sample], times: Callable[[Sample], list[float]], share: float
) -> list[float]:
    """By round, the percentile less that of the upstream alone."""
    pairs = zip(samples, alone, strict=True)
    return [max(LEAST_MS, percentile(times(one), share) - percentile(times(other), share)) for one, other in pairs]


def _others(samples: Mapping[tuple[str, Cell], list[Sample]], cell: Cell) -> list[str]:
    return [name for name, measured in samples if measured == cell and name not in (NAME, UPSTREAM)]


def _row(metric: str, unit: str, values: Iterable[float], aim: str | None = None) -> Row:
    listed = list(values)
    return Row(metric, median(listed), unit, spread=half_range(listed), aim=aim)


def _beside(metric: str, unit: str, ours: list[float], theirs: list[float], peer: str, aim: str | None) -> Row:
    # A peer that answered nothing in a round has no ratio in it.
    ratios = [own / other for own, other in zip(ours, theirs, strict=True) if other]
    if not ratios:
        return Row(metric, median(ours), unit, spread=half_range(ours))
    return Row(metric, median(ours), unit, peer=peer, ratio=median(ratios), spread=half_range(ours), aim=aim)
