"""What canaries are judged by arrives under its name."""

from __future__ import annotations

from decimal import Decimal

from amas_orchestrator.domain.model import Usage
from amas_orchestrator.telemetry import OrchestratorTelemetry
from prometheus_client import CollectorRegistry


def test_the_cost_of_a_run_is_counted_by_currency_when_it_ended() -> None:
    """Amounts of two currencies are never added, and a run without a price is none that cost nothing."""
    registry = CollectorRegistry()
    telemetry = OrchestratorTelemetry(registry)
    for cost, currency in (("0.25", "USD"), ("0.5", "USD"), ("3", "EUR"), ("0", "")):
        telemetry.run_ended("succeeded", 1.0, Usage(cost=Decimal(cost), currency=currency).to_dict())
    seen = {
        currency: (
            registry.get_sample_value("amas_orchestrator_run_cost_sum", {"currency": currency}),
            registry.get_sample_value("amas_orchestrator_run_cost_count", {"currency": currency}),
        )
        for currency in ("USD", "EUR", "")
    }
    assert seen == {"USD": (0.75, 2.0), "EUR": (3.0, 1.0), "": (None, None)}


def test_every_end_of_a_run_can_be_asked_for_from_the_start() -> None:
    """A rate needs a first sample: a failure that is also the first of its pod would not be seen."""
    registry = CollectorRegistry()
    OrchestratorTelemetry(registry)
    for state in ("succeeded", "failed", "rejected", "cancelled"):
        assert registry.get_sample_value("amas_orchestrator_run_seconds_count", {"state": state}) == 0.0
