"""The orchestrator's instruments. Labels come from closed sets; never a run, a tenant or a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Summary

from .domain.model import RunState

# Seconds: from a run of one turn on a model without latency to one that waited an hour for a human.
_RUN_SECONDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)


class OrchestratorTelemetry:
    """Metrics on prometheus-client."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._runs = Histogram(
            "amas_orchestrator_run_seconds",
            "Time from the request to the end of a run.",
            ("state",),
            registry=registry,
            buckets=_RUN_SECONDS,
        )
        # All ends from the start, so that the first of a kind is seen as an increase.
        for state in RunState:
            if state.ended:
                self._runs.labels(state.value)
        self._cost = Summary(
            "amas_orchestrator_run_cost",
            "Cost of a run that ended, of those that models with a price worked on.",
            ("currency",),
            registry=registry,
        )
        self._steps = Counter("amas_orchestrator_steps", "Steps that ended.", ("state",), registry=registry)
        self._tools = Counter(
            "amas_orchestrator_tool_calls", "Tool calls that models proposed.", ("decision",), registry=registry
        )
        self._models = Counter("amas_orchestrator_model_calls", "Model calls.", registry=registry)
        self._tokens = Counter("amas_orchestrator_tokens", "Tokens of model calls.", ("direction",), registry=registry)
        self._waits = Counter(
            "amas_orchestrator_dependency_waits",
            "Times that a dependency was away and is asked again.",
            ("dependency",),
            registry=registry,
        )
        self._taken_over = Counter(
            "amas_orchestrator_runs_taken_over", "Runs taken over from another executor.", registry=registry
        )
        self._webhooks = Counter(
            "amas_orchestrator_webhooks", "Attempts to deliver a webhook message.", ("outcome",), registry=registry
        )
        self._depth = Gauge("amas_orchestrator_queue_depth", "Runs that wait to be started.", registry=registry)
        self._age = Gauge(
            "amas_orchestrator_queue_oldest_age_seconds", "Age of the oldest run in the queue.", registry=registry
        )

    def webhook_sent(self, outcome: str) -> None:
        """See Metrics."""
        self._webhooks.labels(outcome).inc()

    def run_ended(self, state: str, seconds: float, usage: Mapping[str, Any]) -> None:
        """See Metrics."""
        self._runs.labels(state).observe(seconds)
        if usage["currency"]:
            self._cost.labels(usage["currency"]).observe(float(usage["cost"]))

    def step_ended(self, state: str) -> None:
        """See Metrics."""
        self._steps.labels(state).inc()

    def model_called(self, usage: Mapping[str, Any]) -> None:
        """See Metrics."""
        self._models.inc()
        self._tokens.labels("input").inc(usage["input_tokens"])
        self._tokens.labels("output").inc(usage["output_tokens"])

    def tool_called(self, effect: str) -> None:
        """See Metrics."""
        self._tools.labels(effect).inc()

    def waited_for(self, dependency: str) -> None:
        """See Metrics."""
        self._waits.labels(dependency).inc()

    def taken_over(self) -> None:
        """See Metrics."""
        self._taken_over.inc()

    def queue(self, depth: int, oldest_age_seconds: float) -> None:
        """How long the queue is, and how old its oldest entry."""
        self._depth.set(depth)
        self._age.set(oldest_age_seconds)
