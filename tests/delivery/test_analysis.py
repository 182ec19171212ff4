"""What canaries are judged by: good ones pass, bad ones fail, and what cannot be told is no answer at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import slo

from .promtool import Question, Series, wrong_answers

CANARY = 'namespace="amas",rollouts_pod_template_hash="new"'
STABLE = 'namespace="amas",rollouts_pod_template_hash="old"'
# Pods of the same revision in another namespace are another platform.
ELSEWHERE = 'namespace="other",rollouts_pod_template_hash="new"'
SECONDS, MINIMUM = 20, 50


def _grpc(service: str, method: str, code: str) -> str:
    return f'grpc_service="{service}",grpc_method="{method}",grpc_code="{code}"'


def _calls(app: str, service: str, method: str, **codes: float) -> Series:
    return {
        f'grpc_server_handled_total{{app="{app}",POD,{_grpc(service, method, code)}}}': n for code, n in codes.items()
    }


def _times(name: str, le: str, *, within: float, all_: float) -> dict[str, float]:
    head, labels = name.removesuffix("}").split("{")
    return {f'{head}_bucket{{{labels},le="{le}"}}': within, f"{head}_count{{{labels}}}": all_}


ORCHESTRATOR = "amas.orchestrator.v1.OrchestratorService"
ROUTER = "amas.router.v1.RouterService"
AUDIT = "amas.audit.v1.AuditService"
_START = f'grpc_server_handling_seconds{{app="orchestrator",POD,{_grpc(ORCHESTRATOR, "StartRun", "OK")}}}'
_WATCH = f'grpc_server_handling_seconds{{app="orchestrator",POD,{_grpc(ORCHESTRATOR, "WatchRun", "OK")}}}'
_COMPLETE = f'grpc_server_handling_seconds{{app="ai-router",POD,{_grpc(ROUTER, "Complete", "OK")}}}'
_RUNS = 'amas_gateway_request_seconds{app="gateway",POD,route="/v1/runs",method="POST",status="201"}'
_CHAT = 'amas_gateway_request_seconds{app="gateway",POD,route="/v1/chat/completions",method="POST",status="200"}'
_APPEND = 'amas_audit_append_seconds{app="audit",POD}'


def _runs(succeeded: float, failed: float) -> Series:
    name = 'amas_orchestrator_run_seconds_count{app="orchestrator",POD,state="%s"}'
    return {name % "succeeded": succeeded, name % "failed": failed}


def _decisions(allow: float, deny: float) -> Series:
    name = 'amas_policy_decisions_total{app="orchestrator",POD,effect="%s"}'
    return {name % "allow": allow, name % "deny": deny}


def _cost(cost: float, runs: float, currency: str = "USD") -> Series:
    name = f'amas_orchestrator_run_cost_%s{{app="orchestrator",POD,currency="{currency}"}}'
    return {name % "sum": cost, name % "count": runs}


def _requests(good: float, bad: float) -> Series:
    name = 'amas_gateway_request_seconds_count{app="gateway",POD,route="/v1/runs",status="%s"}'
    return {name % "201": good, name % "503": bad}


# By metric: a good canary, a bad one, and what stable pods do meanwhile. All but cost are counts at each scrape.
CASES: dict[str, tuple[Series, Series, Series]] = {
    "orchestrator/errors": (
        # The caller's mistakes are not ours.
        _calls("orchestrator", ORCHESTRATOR, "StartRun", OK=10, NOT_FOUND=5),
        _calls("orchestrator", ORCHESTRATOR, "StartRun", OK=10, INTERNAL=1),
        {},
    ),
    "orchestrator/latency": (
        _times(_START, "1.5", within=98, all_=100) | _times(_WATCH, "1.5", within=0, all_=100),
        _times(_START, "1.5", within=90, all_=100) | _times(_WATCH, "1.5", within=100, all_=100),
        {},
    ),
    "orchestrator/run-failures": (_runs(9, 1), _runs(7, 3), _runs(9, 1)),
    "orchestrator/denials": (_decisions(9, 1), _decisions(5, 5), _decisions(9, 1)),
    "orchestrator/cost": (_cost(2, 10), _cost(6, 10), _cost(2, 10)),
    "ai-router/errors": (
        _calls("ai-router", ROUTER, "Complete", OK=10),
        _calls("ai-router", ROUTER, "Complete", OK=10, UNAVAILABLE=1),
        {},
    ),
    "ai-router/latency": (
        _times(_COMPLETE, "2.0", within=10, all_=10),
        _times(_COMPLETE, "2.0", within=5, all_=10),
        {},
    ),
    "ai-router/denials": (
        _calls("ai-router", ROUTER, "Complete", OK=10),
        _calls("ai-router", ROUTER, "Complete", OK=5, PERMISSION_DENIED=5),
        _calls("ai-router", ROUTER, "Complete", OK=10),
    ),
    "gateway/errors": (_requests(10, 0), _requests(10, 1), {}),
    "gateway/latency": (
        _times(_RUNS, "2.0", within=10, all_=10) | _times(_CHAT, "2.0", within=0, all_=10),
        _times(_RUNS, "2.0", within=5, all_=10),
        {},
    ),
    "audit/errors": (
        _calls("audit", AUDIT, "AppendEvents", OK=10),
        _calls("audit", AUDIT, "AppendEvents", OK=10, INTERNAL=1),
        {},
    ),
    "audit/lag": (_times(_APPEND, "0.5", within=10, all_=10), _times(_APPEND, "0.5", within=5, all_=10), {}),
}
METRICS = {f"{service}/{one['name']}": one for service, named in slo.metrics().items() for one in named}
COMPARED = sorted(name for name, (_, _, stable) in CASES.items() if stable)


def _at(series: Series, pods: str, times: float = 1.0) -> Series:
    return {name.replace("POD", pods): step * times for name, step in series.items()}


def _query(metric: dict[str, Any]) -> str:
    return slo.filled(metric["query"], seconds=SECONDS, minimum=MINIMUM, canary=CANARY, stable=STABLE)


def _passes(name: str, what: str, series: Series, answer: float | None) -> Question:
    # 1 where the result is within the limit, 0 where it is over it: the two conditions of the AnalysisTemplate.
    metric = METRICS[name]
    return Question(f"{name}: {what}", series, f"({_query(metric)}) <= bool {metric['limit']}", answer)


def test_each_metric_has_its_cases() -> None:
    """A metric that is added without a bad canary would be believed untested."""
    assert sorted(CASES) == sorted(METRICS)


def test_good_canaries_pass_and_bad_ones_fail(tmp_path: Path) -> None:
    """By the same query and limit that the AnalysisTemplate has."""
    questions = []
    for name, (good, bad, stable) in CASES.items():
        around = _at(stable, STABLE)
        questions.append(_passes(name, "a good canary", {**_at(good, CANARY), **around}, 1))
        questions.append(_passes(name, "a bad canary", {**_at(bad, CANARY), **around}, 0))
    assert wrong_answers(questions, tmp_path) == ""


def test_what_cannot_be_told_is_no_answer(tmp_path: Path) -> None:
    """Nothing scraped, too little traffic, or only that of others: never a pass, and never a failure."""
    questions = []
    for name, (good, bad, stable) in CASES.items():
        around = _at(stable, STABLE)
        questions.append(_passes(name, "nothing", {}, None))
        questions.append(_passes(name, "stable pods alone", {**_at(good, STABLE), **around}, None))
        questions.append(_passes(name, "another namespace", {**_at(bad, ELSEWHERE), **around}, None))
        questions.append(_passes(name, "too little traffic", {**_at(bad, CANARY, 0.01), **around}, None))
        questions.append(_passes(name, "no traffic", {**_at(good, CANARY, 0), **around}, None))
    assert wrong_answers(questions, tmp_path) == ""


def test_a_comparison_needs_traffic_on_both_sides(tmp_path: Path) -> None:
    """Without stable pods, or with idle ones, there is nothing to compare a canary with."""
    questions = []
    for name in COMPARED:
        good, bad, stable = CASES[name]
        questions.append(_passes(name, "no stable pods", _at(bad, CANARY), None))
        idle = {**_at(good, CANARY), **_at(stable, STABLE, 0.01)}
        questions.append(_passes(name, "idle stable pods", idle, None))
    assert wrong_answers(questions, tmp_path) == ""


def test_a_missing_bucket_is_no_answer(tmp_path: Path) -> None:
    """A histogram whose bounds were changed no longer tells what was promised."""
    timed = [name for name in CASES if any("_bucket{" in series for series in CASES[name][0])]
    questions = [
        _passes(name, "no bucket", {k: v for k, v in _at(CASES[name][0], CANARY).items() if "_bucket{" not in k}, None)
        for name in timed
    ]
    assert len(questions) == 4
    assert wrong_answers(questions, tmp_path) == ""


def test_fewer_denials_are_a_drift_too(tmp_path: Path) -> None:
    """A release that lets more through is as suspicious as one that lets less through."""
    name = "orchestrator/denials"
    opened = {**_at(_decisions(10, 0), CANARY), **_at(_decisions(5, 5), STABLE)}
    fewer_failures = {**_at(_runs(10, 0), CANARY), **_at(_runs(5, 5), STABLE)}
    questions = [
        _passes(name, "opened", opened, 0),
        _passes("orchestrator/run-failures", "better than stable", fewer_failures, 1),
    ]
    assert wrong_answers(questions, tmp_path) == ""


def test_costs_are_compared_by_currency_and_the_worst_counts(tmp_path: Path) -> None:
    """A dear currency must not hide behind a cheap one, and no price at all is NaN, which passes nothing."""
    name = "orchestrator/cost"
    canary = {**_at(_cost(2, 10), CANARY), **_at(_cost(6, 10, "EUR"), CANARY)}
    stable = {**_at(_cost(2, 10), STABLE), **_at(_cost(2, 10, "EUR"), STABLE)}
    free = {**_at(_cost(0, 10), CANARY), **_at(_cost(0, 10), STABLE)}
    query = _query(METRICS[name])
    questions = [
        _passes(name, "one of two currencies is dearer", {**canary, **stable}, 0),
        Question(f"{name}: free is NaN", free, f"count(({query}) != ({query}))", 1),
    ]
    assert wrong_answers(questions, tmp_path) == ""


@pytest.mark.parametrize("seen", ['x{job="a"}', "x", 'x{app="gateway"}[5m]) + rate(x{app="gateway"}'])
def test_a_selector_that_sees_more_than_one_service_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: str
) -> None:
    """It would judge a canary by all pods of the platform, or over another window."""
    source = tmp_path / "canary.yaml"
    share = {"part": f"sum(rate({seen}[{slo.WINDOW}]))", "total": f'sum(rate(x{{app="gateway"}}[{slo.WINDOW}]))'}
    source.write_text(json.dumps({"gateway": {"errors": {"above": share, "limit": 1, "minimum": "runs"}}}))
    monkeypatch.setattr(slo, "CANARY", source)
    with pytest.raises(slo.SourceError, match="each selector begins with app"):
        slo.metrics()
