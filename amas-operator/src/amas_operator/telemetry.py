"""The operator's instruments. Labels have few values, never names of resources."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

# A round over a few resources takes tens of milliseconds; one by one, over many, a minute.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class OperatorTelemetry:
    """All instruments of the operator."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._rounds = Counter("amas_operator_rounds", "Rounds over the namespace", ["outcome"], registry=registry)
        self._seconds = Histogram(
            "amas_operator_round_seconds", "How long a round took", buckets=_SECONDS, registry=registry
        )
        self._resources = Gauge("amas_operator_resources", "Custom resources", ["ready"], registry=registry)
        self._leading = Gauge("amas_operator_leading", "1 while this process is the one at work", registry=registry)

        self._mirrorings = Counter(
            "amas_operator_mirror_rounds", "Rounds over the newest runs", ["outcome"], registry=registry
        )
        self._runs = Gauge("amas_operator_runs", "Mirrored runs", registry=registry)

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A round ended: `applied`, `refused` or `unavailable`."""
        self._rounds.labels(outcome).inc()
        self._seconds.observe(seconds)

    def resources(self, ready: int, not_ready: int) -> None:
        """How many resources there are."""
        self._resources.labels("true").set(ready)
        self._resources.labels("false").set(not_ready)

    def mirrored(self, outcome: str) -> None:
        """A round over runs ended: `mirrored` or `unavailable`."""
        self._mirrorings.labels(outcome).inc()

    def runs(self, count: int) -> None:
        """How many runs are mirrored."""
        self._runs.set(count)

    def leading(self, leads: bool) -> None:
        """Whether this process is the one at work."""
        self._leading.set(leads)
