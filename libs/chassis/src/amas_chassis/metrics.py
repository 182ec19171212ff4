"""RED metrics of gRPC servers, with exemplars that lead from a slow bucket to its trace.

Labels come from closed sets (registered methods, codes, verified callers). It must never label by anything that a
caller chooses freely.
"""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["GrpcServerMetrics", "grpc_server_metrics"]

# Seconds: from a cached answer to the longest model call.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class GrpcServerMetrics:
    """Counts and times the calls that a process serves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("grpc_service", "grpc_method", "grpc_code", "caller")
        self._handled = Counter("grpc_server_handled", "Calls answered.", labels, registry=registry)
        self._seconds = Histogram(
            "grpc_server_handling_seconds", "Time to answer a call.", labels, registry=registry, buckets=_BUCKETS
        )
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.in_flight = Gauge("grpc_server_in_flight", "Calls being served.", registry=registry)

    def observe(self, method: str, code: str, caller: str, seconds: float, trace_id: str) -> None:
        """Record one finished call of `method` ("/package.Service/Method")."""
        exemplar = {"trace_id": trace_id} if trace_id else None
        handled, timed = self._children(method, code, caller)
        handled.inc(1, exemplar)
        timed.observe(seconds, exemplar)

    def _children(self, method: str, code: str, caller: str) -> tuple[Counter, Histogram]:
        # Kept, since looking them up costs as much as counting; the sets that labels come from are closed.
        key = (method, code, caller)
        known = self._known.get(key)
        if known is None:
            _, service, name = method.split("/", 2)
            labels = (service, name, code, caller)
            known = self._known[key] = (self._handled.labels(*labels), self._seconds.labels(*labels))
        return known


@lru_cache(maxsize=8)
def grpc_server_metrics(registry: CollectorRegistry = REGISTRY) -> GrpcServerMetrics:
    """The instruments in `registry`, made at the first call."""
    return GrpcServerMetrics(registry)
