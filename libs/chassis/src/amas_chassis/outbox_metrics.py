"""What an outbox of audit events tells about itself, under the same names in each service."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

__all__ = ["OutboxMetrics"]


class OutboxMetrics:
    """See outbox.OutboxTelemetry. One for a process; a test gives it a registry of its own."""

    def __init__(self, service: str, registry: CollectorRegistry = REGISTRY) -> None:
        """`service` is the prefix of the service's own metrics, such as `amas_gateway`."""
        self._waiting = Gauge(
            f"{service}_outbox_events", "Events that nothing waits for and audit has not taken yet.", registry=registry
        )
        self._lost = Counter(
            f"{service}_outbox_lost", "Events that audit will never have.", ("reason",), registry=registry
        )

    def outbox_waiting(self, items: int) -> None:
        """Events that audit has not taken yet."""
        self._waiting.set(items)

    def outbox_lost(self, reason: str, items: int) -> None:
        """Events that audit will never have: `full`, `refused` or `exit`."""
        self._lost.labels(reason).inc(items)
