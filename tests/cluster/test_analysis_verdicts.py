"""What Argo Rollouts makes of an answer of Prometheus, by the conditions that the charts give it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from .helm import Release
from .kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
RUNS = "analysisruns.argoproj.io"
VERDICT_TIMEOUT_S = 90.0
# By name, a query that gives such an answer, and the verdict over a release that it must lead to.
ANSWERS = {
    "within": ("vector(0)", "Successful"),
    "over": ("vector(1)", "Failed"),
    "infinite": ("vector(1) / 0", "Failed"),
    "nothing": ("vector(0) > 1", "Inconclusive"),
    "no-number": ("vector(0) / 0", "Inconclusive"),
    "unanswerable": ("sum(", "Error"),
}


@pytest.fixture
def metric(release: Release) -> dict[str, Any]:
    """A metric as the chart of the orchestrator renders it."""
    rendered = release.render("charts/orchestrator/templates/service.yaml")
    for document in YAML(typ="safe").load_all(rendered):
        if document and document["kind"] == "AnalysisTemplate" and document["metadata"]["name"].endswith("-errors"):
            metric: dict[str, Any] = document["spec"]["metrics"][0]
            return metric
    pytest.fail("the chart renders no analysis of errors")


@pytest.fixture
def verdicts(kube: Kube) -> Iterator[None]:
    """Leaves no analysis behind."""
    yield
    kube.run("delete", RUNS, "--selector", "amas.dev/test=verdicts", "--wait=false")


@pytest.mark.usefixtures("verdicts")
def test_only_a_number_within_the_limit_passes(kube: Kube, metric: dict[str, Any]) -> None:
    """No series, no number and no Prometheus promote nothing; the first two are for a person to decide."""
    for name, (query, _) in ANSWERS.items():
        asked = {**metric, "initialDelay": "0s", "interval": "1s"}
        asked["provider"] = {"prometheus": {**metric["provider"]["prometheus"], "query": query}}
        run = {"name": f"verdict-{name}", "labels": {"amas.dev/test": "verdicts"}}
        document = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": run}
        kube.apply(json.dumps({**document, "spec": {"metrics": [asked]}}))
    ended = kube.until("every analysis has ended", lambda: _phases(kube), VERDICT_TIMEOUT_S)
    assert ended == {f"verdict-{name}": verdict for name, (_, verdict) in ANSWERS.items()}


def _phases(kube: Kube) -> dict[str, str] | None:
    runs = kube.all(RUNS, "amas.dev/test=verdicts")
    phases = {run["metadata"]["name"]: run.get("status", {}).get("phase", "") for run in runs}
    return None if {"", "Pending", "Running"} & set(phases.values()) else phases
