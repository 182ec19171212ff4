"""The gateway's instruments. Names are declared here and nowhere else; labels are bounded sets, never ids."""

from __future__ import annotations

from amas_chassis.outbox_metrics import OutboxMetrics
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

# Seconds. The aims of the edge are milliseconds; model calls take up to a minute.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class Instruments:
    """One set for the process; tests give each its own registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.requests = Histogram(
            "amas_gateway_request_seconds",
            "Time until the response ended.",
            ("route", "method", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "amas_gateway_requests_in_flight", "Requests being answered, streams included.", registry=registry
        )
        self.streams = Gauge("amas_gateway_event_streams", "Open event streams.", registry=registry)
        self.denied = Counter(
            "amas_gateway_denied_total", "Refused accesses, by reason.", ("reason",), registry=registry
        )
        self.outbox = OutboxMetrics("amas_gateway", registry)
        # What wakes an orchestrator that was scaled to zero, and keeps it awake.
        self.orchestrator_wanted = Gauge(
            "amas_gateway_orchestrator_wanted",
            "Requests that wait for the orchestrator or its answer, watches too; 1 more until it was heard of.",
            registry=registry,
        )
        self.orchestrator_needed = Counter(
            "amas_gateway_orchestrator_needed_total", "Times that a request needed the orchestrator.", registry=registry
        )
        self.held = Gauge(
            "amas_gateway_requests_held", "Requests held because no orchestrator answers.", registry=registry
        )
        self.held_ended = Counter(
            "amas_gateway_holds_total",
            "Requests that were held, or would have been, by how that ended.",
            ("outcome",),
            registry=registry,
        )
        self.limited = Counter(
            "amas_gateway_rate_limited_total", "Requests over their rate.", ("route_class",), registry=registry
        )
        self.limits_degraded = Gauge(
            "amas_gateway_limits_degraded",
            "1 while Redis is away and limits hold for this process alone.",
            registry=registry,
        )
        self.limits_degraded_requests = Counter(
            "amas_gateway_limits_without_redis_total", "Requests limited without Redis.", registry=registry
        )
        self.key_fetches = Counter(
            "amas_gateway_key_fetches_total",
            "Fetches of the issuer's key set, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self.token_cache = Counter(
            "amas_gateway_token_cache_total",
            "Look-ups of verified tokens, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self.bundle_handovers = Counter(
            "amas_gateway_bundle_handovers_total",
            "Bundles handed to the router because it did not know them.",
            registry=registry,
        )
