"""What services are scaled by: a number while they are scraped, busy or idle, and no answer when they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from .promtool import Question, Series, wrong_answers

CHARTS = Path(__file__).resolve().parents[2] / "charts"
SERVICES = ("gateway", "orchestrator", "ai-router", "audit")


def _pods(app: str) -> str:
    return f'namespace="amas",app="{app}",container="{app}"'


def _gauge(name: str, app: str, value: float) -> Series:
    # A pod of another release beside it must not count.
    return {f"{name}{{{_pods(app)}}}": value, f'{name}{{namespace="other",app="{app}",container="{app}"}}': 1000}


_COMPLETE = f'{_pods("ai-router")},grpc_service="amas.router.v1.RouterService",grpc_method="Complete"'
_LATENCIES = {
    f'grpc_server_handling_seconds_bucket{{{_COMPLETE},le="{le}"}}': step
    for le, step in (("1.0", 0), ("2.0", 10), ("+Inf", 10))
}
_REQUESTS = {f'amas_gateway_request_seconds_count{{{_pods("gateway")},route="/v1/runs"}}': 100}
_IN_FLIGHT = "amas_gateway_requests_in_flight"
_SERVED = "grpc_server_in_flight"

# By trigger: counters and gauges of a busy service, its answer, and the gauges of one that is scraped and idle.
CASES: dict[str, tuple[Series, Series, float, Series]] = {
    "orchestrator/queue-depth": (
        {},
        _gauge("amas_orchestrator_queue_depth", "orchestrator", 7),
        7,
        _gauge("amas_orchestrator_queue_depth", "orchestrator", 0),
    ),
    "orchestrator/queue-oldest-age": (
        {},
        _gauge("amas_orchestrator_queue_oldest_age_seconds", "orchestrator", 30),
        30,
        _gauge("amas_orchestrator_queue_oldest_age_seconds", "orchestrator", 0),
    ),
    "ai-router/in-flight": ({}, _gauge(_SERVED, "ai-router", 50), 50, _gauge(_SERVED, "ai-router", 0)),
    "ai-router/p95": (_LATENCIES, _gauge(_SERVED, "ai-router", 1), 1.95, _gauge(_SERVED, "ai-router", 0)),
    "gateway/requests": (_REQUESTS, _gauge(_IN_FLIGHT, "gateway", 1), 50, _gauge(_IN_FLIGHT, "gateway", 0)),
}


def _triggers() -> dict[str, dict[str, Any]]:
    found = {}
    for service in SERVICES:
        values = YAML(typ="safe").load((CHARTS / service / "values.yaml").read_text())
        for name, trigger in values.get("autoscaling", {}).get("triggers", {}).items():
            query = trigger["query"].replace("@pods@", _pods(service))
            found[f"{service}/{name}"] = {**trigger, "query": query}
    return found


def test_triggers_answer_while_services_are_scraped_and_only_then(tmp_path: Path) -> None:
    """KEDA takes no answer for a failure, and then keeps the pods; a zero would take them away."""
    triggers = _triggers()
    assert sorted(triggers) == sorted(CASES)
    questions = []
    for name, (counters, gauges, answer, idle) in CASES.items():
        query = triggers[name]["query"]
        questions.append(Question(f"{name}: busy", counters, query, answer, gauges))
        questions.append(Question(f"{name}: idle", {}, query, 0, idle))
        questions.append(Question(f"{name}: not scraped", {}, query, None))
    assert wrong_answers(questions, tmp_path) == ""
