"""The README names the metrics that the service has."""

from __future__ import annotations

from pathlib import Path

from amas_policy_sidecar.telemetry import Instruments
from prometheus_client import CollectorRegistry

from tests.documented_metrics import documented, table


def test_the_readme_has_every_metric() -> None:
    """With its kind, its labels and what it means."""
    registry = CollectorRegistry()
    Instruments(registry)
    assert documented(Path(__file__).parents[1] / "README.md") == table(registry)
