"""This service's instruments, by the names that dashboards and alerts use. Labels have few values, never ids."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

# A commit takes about a millisecond on a fast disk, and seconds only in trouble.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_GROUP_EVENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class AuditTelemetry:
    """All instruments of the audit service."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._events = Counter("amas_audit_events", "Events acknowledged", ["source", "outcome"], registry=registry)
        self._refused = Counter(
            "amas_audit_appends_refused", "Appends not acknowledged", ["source", "reason"], registry=registry
        )
        self._append_seconds = Histogram(
            "amas_audit_append_seconds", "From receipt to acknowledgement", buckets=_SECONDS, registry=registry
        )
        self._group_events = Histogram(
            "amas_audit_group_events", "New events in one commit", buckets=_GROUP_EVENTS, registry=registry
        )
        self._commit_seconds = Histogram(
            "amas_audit_commit_seconds", "One group, from lock to commit", buckets=_SECONDS, registry=registry
        )
        self._tree_size = Gauge("amas_audit_tree_size", "Leaves in the tree", registry=registry)
        self._waiting = Gauge("amas_audit_waiting_events", "Events that wait for a commit", registry=registry)
        self._lag = Gauge(
            "amas_audit_lag_seconds", "How long the oldest append of the last group had waited", registry=registry
        )

        self._served = Counter(
            "amas_audit_tlog_served", "Parts of the log served over HTTP", ["part"], registry=registry
        )
        self._served_bytes = Counter(
            "amas_audit_tlog_served_bytes", "Bytes of such parts, before compression", ["part"], registry=registry
        )

        self._witnessed = Counter(
            "amas_audit_witness_answers", "What witnesses answered", ["witness", "outcome"], registry=registry
        )
        self._cosigned_size = Gauge(
            "amas_audit_cosigned_size",
            "Leaves in the tree that a witness cosigned last",
            ["witness"],
            registry=registry,
        )

    def witnessed(self, witness: str, outcome: str, size: int) -> None:
        """A witness answered: `cosigned`, `away` or `refused`, for the tree of `size`."""
        self._witnessed.labels(witness, outcome).inc()
        if outcome == "cosigned":
            self._cosigned_size.labels(witness).set(size)

    def served(self, part: str, size: int) -> None:
        """A `checkpoint`, `tile` or bundle of `entries` of `size` bytes was served."""
        self._served.labels(part).inc()
        self._served_bytes.labels(part).inc(size)

    def appended(self, source: str, new: int, duplicates: int, seconds: float) -> None:
        """A submission was acknowledged after `seconds`."""
        self._events.labels(source, "new").inc(new)
        self._events.labels(source, "duplicate").inc(duplicates)
        self._append_seconds.observe(seconds)

    def refused(self, source: str, reason: str) -> None:
        """A submission was refused; `reason` is one of this service's reason codes."""
        self._refused.labels(source, reason).inc()

    def committed(self, events: int, tree_size: int, seconds: float) -> None:
        """A group is on disk."""
        self._group_events.observe(events)
        self._commit_seconds.observe(seconds)
        self._tree_size.set(tree_size)

    def waiting(self, events: int) -> None:
        """So many events wait for a commit."""
        self._waiting.set(events)

    def lag(self, seconds: float) -> None:
        """The oldest append of the group that begins now has waited so long."""
        self._lag.set(seconds)
