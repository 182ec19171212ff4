"""In which order a route's targets are asked. Each appears once."""

from __future__ import annotations

import math
from random import Random

from .latency import LatencyBook
from .model import Route, Strategy, Target
from .sticky import rendezvous


def order(route: Route, kind: str, latencies: LatencyBook, random: Random, now: float) -> tuple[Target, ...]:
    """All targets: as written, by drawn weights, or the fastest first (ties as written)."""
    targets = route.targets
    if len(targets) == 1 or route.strategy is Strategy.PRIORITY:
        return targets
    if route.strategy is Strategy.WEIGHTED:
        return _drawn(targets, random)
    return tuple(sorted(targets, key=lambda target: latencies.of(target, kind, now).expected(now)))


def sticky_order(
    route: Route, kind: str, latencies: LatencyBook, run: str, stays_with: str | None, now: float
) -> tuple[Target, ...]:
    """All targets for a run: the one that it stays with first, then as the strategy says, the same on every router."""
    targets = route.targets
    if len(targets) == 1:
        return targets
    if route.strategy is Strategy.WEIGHTED:
        targets = rendezvous(run, targets)
    elif route.strategy is Strategy.LEAST_LATENCY:
        # Routers measure slightly different times: within a doubling the hash decides, not the noise.
        ranks = {target.name: _rank(latencies.of(target, kind, now).expected(now)) for target in targets}
        targets = tuple(sorted(rendezvous(run, targets), key=lambda target: ranks[target.name]))
    if stays_with is None:
        return targets
    return tuple(sorted(targets, key=lambda target: target.name != stays_with))


def _rank(seconds: float) -> float:
    return math.floor(math.log2(seconds)) if seconds > 0.0 else -math.inf


def _drawn(targets: tuple[Target, ...], random: Random) -> tuple[Target, ...]:
    """Weighted order without replacement (Efraimidis and Spirakis, 2006): the largest u^(1/w) first."""
    keyed = [(random.random() ** (1.0 / target.weight), target) for target in targets]
    return tuple(target for _, target in sorted(keyed, key=lambda pair: pair[0], reverse=True))
