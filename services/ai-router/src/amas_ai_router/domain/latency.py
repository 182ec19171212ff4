"""How fast each target has been lately: an exponentially weighted mean, bounded in size, in this process only."""

from __future__ import annotations

from collections import OrderedDict

# A new observation counts so much: the mean follows a change within about ten calls.
WEIGHT = 0.2
# A failed attempt counts as so many seconds, so that a target which fails fast does not look fast.
FAILURE_SECONDS = 60.0
# Targets remembered; the one unused for longest is forgotten first.
MAX_TARGETS = 4096


class LatencyBook:
    """Means by key. A target nobody has tried yet has none and is worth a try."""

    def __init__(self) -> None:
        self._means: OrderedDict[str, float] = OrderedDict()

    def observe(self, target: str, seconds: float) -> None:
        """A target answered after so long."""
        known = self._means.pop(target, None)
        self._means[target] = seconds if known is None else known + WEIGHT * (seconds - known)
        while len(self._means) > MAX_TARGETS:
            self._means.popitem(last=False)

    def failed(self, target: str) -> None:
        """A target did not answer."""
        self.observe(target, FAILURE_SECONDS)

    def expected(self, target: str) -> float:
        """Seconds to expect; 0 for a target without a history."""
        return self._means.get(target, 0.0)
