"""Which target a run stays with, so that its calls find what a provider cached of the ones before.

The target that answered is remembered, bounded; where nothing is remembered, replicas agree without talking: each puts
targets of equal standing in the same order for the same run (rendezvous hashing, Thaler and Ravishankar, 1998).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b

from .bounded_cache import BoundedCache
from .model import CallContext, Target

# Runs remembered; the one unused for longest is forgotten first and falls back to its hash.
MAX_RUNS = 65_536
_SPAN = 2.0**64


class StickyRuns:
    """The target that answers each run on a route; runs of different tenants never meet."""

    def __init__(self) -> None:
        self._answered: BoundedCache[tuple[str, str, str], str] = BoundedCache(MAX_RUNS)

    def target(self, context: CallContext, route: str) -> str | None:
        """Name of the target that answered the run last; None if there is none."""
        return self._answered.get((context.principal.tenant, context.run_id, route))

    def answered(self, context: CallContext, route: str, target: str) -> None:
        """A target answered, and the run stays with it."""
        self._answered.put((context.principal.tenant, context.run_id, route), target)


def rendezvous(run: str, targets: Iterable[Target]) -> tuple[Target, ...]:
    """The same order for the same run everywhere; over many runs a target comes first as often as its weight says."""
    return tuple(sorted(targets, key=lambda target: _score(run, target)))


def _score(run: str, target: Target) -> float:
    """An exponential variate from the hash: the smallest of -ln(u)/w follows the weights (Efraimidis, Spirakis)."""
    digest = blake2b(f"{run}\0{target.name}".encode(), digest_size=8).digest()
    drawn = (int.from_bytes(digest) + 1) / (_SPAN + 1)
    return -math.log(drawn) / target.weight
