"""In which order a route's targets are asked. Each appears once, so a call makes at most one attempt a target."""

from __future__ import annotations

from random import Random

from .latency import LatencyBook
from .model import Route, Strategy, Target


def order(route: Route, latencies: LatencyBook, random: Random) -> tuple[Target, ...]:
    """All targets: as written, by drawn weights, or the fastest first (ties as written)."""
    targets = route.targets
    if len(targets) == 1 or route.strategy is Strategy.PRIORITY:
        return targets
    if route.strategy is Strategy.WEIGHTED:
        return _drawn(targets, random)
    return tuple(sorted(targets, key=lambda target: latencies.expected(target.name)))


def _drawn(targets: tuple[Target, ...], random: Random) -> tuple[Target, ...]:
    """Weighted order without replacement (Efraimidis and Spirakis, 2006): the largest u^(1/w) first."""
    keyed = [(random.random() ** (1.0 / target.weight), target) for target in targets]
    return tuple(target for _, target in sorted(keyed, key=lambda pair: pair[0], reverse=True))
