"""This service's own instruments, beside those that the chassis has for every gRPC server.

Labels come from closed sets: effects, reason codes of ours, outcomes, names of tool servers in bundles. Never
arguments, principals or runs.
"""

from __future__ import annotations

from amas_chassis.outbox_metrics import OutboxMetrics
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from .domain.contract import Grant
from .domain.model import CallResult, Decision
from .domain.quota import Refusal

# Seconds: from a file read to a slow external service at its time-out.
_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# What becomes of the log of a decision: recorded, refused by audit, unreadable, or missing: it never came.
ENGINE_LOG_RESULTS = ("recorded", "refused", "unreadable", "missing")

# A question was answered from memory, joined an equal one that was under way, or was asked.
CACHE_RESULTS = ("hit", "joined", "miss")


class Instruments:
    """Counts decisions and calls, and times the calls."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._decisions = Counter(
            "amas_policy_decisions", "Decisions by effect.", ("effect", "asked_by"), registry=registry
        )
        self._cache = Counter(
            "amas_policy_decision_cache",
            "Questions to the policy engine by whether an equal one was answered before.",
            ("result",),
            registry=registry,
        )
        for result in CACHE_RESULTS:
            self._cache.labels(result)
        self._engine_faults = Counter(
            "amas_policy_engine_faults",
            "Questions that the engine did not decide.",
            ("fault",),
            registry=registry,
        )
        self._calls = Counter(
            "amas_policy_tool_calls", "Tool calls by outcome.", ("server", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "amas_policy_tool_call_seconds",
            "Time of a tool call.",
            ("server",),
            registry=registry,
            buckets=_CALL_BUCKETS,
        )
        self._bytes_in = Counter(
            "amas_policy_tool_answer_bytes", "Bytes of answers that were handed on.", ("server",), registry=registry
        )
        self._quota_refusals = Counter(
            "amas_policy_quota_refusals",
            "Calls refused or sent back to wait by a bound: a contract's, a tool server's or a quota's.",
            ("declared_by", "quota", "amount"),
            registry=registry,
        )
        self._quota_used = Gauge(
            "amas_policy_quota_used_ratio",
            "Highest share of a quota's amounts that was used at the last grant; of quotas with one counter.",
            ("tenant", "quota"),
            registry=registry,
        )
        self.outbox = OutboxMetrics("amas_policy", registry)
        self._starts = Counter(
            "amas_policy_tool_server_starts",
            "Sessions begun with tool servers.",
            ("server", "result"),
            registry=registry,
        )
        self._refusals = Counter(
            "amas_policy_tool_egress_refusals",
            "Times that nothing was sent to a tool server because of where it is, or points to.",
            ("server", "code"),
            registry=registry,
        )
        self._engine_logs = Counter(
            "amas_policy_engine_logs",
            "Decisions of the policy engine by what became of their log.",
            ("result",),
            registry=registry,
        )
        for result in ENGINE_LOG_RESULTS:
            self._engine_logs.labels(result)

    def decided(self, decision: Decision, asked_by: str) -> None:
        """One decision; `asked_by` is enforce, or decide_ with tool, model, delegation or administration."""
        self._decisions.labels(decision.effect.value, asked_by).inc()

    def cached(self, result: str) -> None:
        """One question to the policy engine, with one of CACHE_RESULTS."""
        self._cache.labels(result).inc()

    def engine_fault(self, fault: str) -> None:
        """A question that the policy engine did not decide, by the kind of fault."""
        self._engine_faults.labels(fault).inc()

    def called(self, grant: Grant, result: CallResult, *, bytes_in: int) -> None:
        """One call that came to an end, and what of its answer was handed on."""
        server = grant.server.metadata.name
        self._calls.labels(server, result.outcome.value).inc()
        self._seconds.labels(server).observe(result.duration)
        self._bytes_in.labels(server).inc(bytes_in)

    def quota_used(self, tenant: str, quota: str, share: float) -> None:
        """A quota is used to this share (0 to 1); tenants and quotas come from bundles."""
        self._quota_used.labels(tenant, quota).set(share)

    def quota_refused(self, refusal: Refusal) -> None:
        """One call that a bound refused, by where it is declared, its name, and what of it was used up."""
        self._quota_refusals.labels(refusal.bound.declared.value, refusal.bound.name, refusal.amount.value).inc()

    def started(self, server: str, *, well: bool) -> None:
        """One try to begin a session with a tool server."""
        self._starts.labels(server, "ok" if well else "failed").inc()

    def egress_refused(self, server: str, code: str) -> None:
        """One refusal to send something where a tool server is or points to, with its reason code."""
        self._refusals.labels(server, code).inc()

    def engine_logs(self, result: str, number: int) -> None:
        """Logs of decisions with one of ENGINE_LOG_RESULTS."""
        self._engine_logs.labels(result).inc(number)
