"""Proof 4: KEDA scales the orchestrator out while runs queue up, and back in, and to zero and back; no run is lost."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .helm import Release
from .kube import Kube, is_ready
from .load.bounds import Rates
from .load.outcomes import Report
from .load.verdict import lost_or_repeated, taken_over
from .platform import RUN_TIMEOUT_S, ClusterPlatform, load_input
from .services import ROLLOUTS, selector, unsettled
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]
CALM = Rates(runs=1.5, chats=1.2, streams=0.5, reads=3.0)
BURST = Rates(runs=6.0, chats=0.5, streams=0.0, reads=0.0)
SETTLE_TIMEOUT_S = 300.0
OUT_TIMEOUT_S = 240.0
IN_TIMEOUT_S = 300.0
ZERO_TIMEOUT_S = 150.0
WAKE_TIMEOUT_S = 150.0
HOLD_S = 120
"""How long the gateway holds a request: longer than an orchestrator starts on a busy node of two cores."""
AHEAD_S = 5
WAITING = ("approved", "unanswered")
"""Runs that wait for people: for half an hour, and for a minute and a half."""
KEDA: dict[str, Any] = {
    "kind": "keda",
    "maxReplicas": 3,
    "pollingSeconds": 5,
    "down": {"stabilizationSeconds": 30, "periodSeconds": 10},
}
SCALED = {
    # A pod that takes 256 runs at once never lets one wait.
    "orchestrator.settings.RUN_CONCURRENCY": 4,
    "orchestrator.autoscaling": {**KEDA, "minReplicas": 1},
    "gateway.settings.HOLD_SECONDS": HOLD_S,
}
# Moments where an installation has minutes, so that a proof need not wait.
CALLERS = (
    "sum(amas_gateway_orchestrator_wanted{@gateway@}) "
    "+ sum(rate(amas_gateway_orchestrator_needed_total{@gateway@}[10s]))"
)


@pytest.fixture(scope="module")
def scaled(kube: Kube, release: Release, platform: ClusterPlatform, good: dict[str, Any]) -> Iterator[Report]:
    """KEDA decides how many orchestrators there are; afterwards the values do again. Answers the load meanwhile."""
    with platform.load(CALM) as load:  # the change is a release like any other, and judged
        release.upgrade({**good, **SCALED})
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        report = load.finish()
    yield report
    release.upgrade(good, take_over=True)
    kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)


def test_the_orchestrator_scales_out_and_in(
    summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform, out: Path, scaled: Report
):
    """From one pod to more and back to one; every accepted run ends once."""
    with summary.proof("4 autoscaling", "KEDA scales out on queued runs and back in; no run lost") as proof:
        rollout = f"{release.name}-orchestrator"
        kube.until("one orchestrator at rest", lambda: replicas(kube, rollout) == 1, SETTLE_TIMEOUT_S)
        with proof.timed("out_s"), platform.load(BURST) as load:
            kube.until("scaled out", lambda: ready(kube, rollout) > 1, OUT_TIMEOUT_S)
            most = replicas(kube, rollout)
            report = load.finish()
        with proof.timed("in_s"):
            kube.until("scaled in", lambda: replicas(kube, rollout) == 1, IN_TIMEOUT_S)
        report.write(out / "autoscaling.jsonl")
        problems = [*platform.judge(scaled).problems, *platform.judge(report).problems]
        runs = len(scaled.runs) + len(report.runs)
        proof.note(load=report.numbers(), most=most, runs=runs, failed=len(report.failed), lost=len(problems))
        assert not problems, problems[:10]


def test_the_orchestrator_sleeps_and_is_woken(
    summary: Summary,
    kube: Kube,
    release: Release,
    platform: ClusterPlatform,
    good: dict[str, Any],
    scaled: Report,
):
    """No pod while runs only wait for people; one when a question's time is over, and one when somebody calls."""
    with summary.proof("4 scale to zero", "woken by work that is due and by callers; no run lost") as proof:
        developer = platform.client(timeout_s=HOLD_S)
        release.upgrade({**good, **SCALED, "orchestrator.autoscaling": sleeping(platform.database)})
        answered, unanswered = (developer.start(name, load_input(number)) for number, name in enumerate(WAITING))
        approval = kube.until("the question", lambda: developer.pending_approval(answered), RUN_TIMEOUT_S)
        kube.until("the other question", lambda: developer.pending_approval(unanswered), RUN_TIMEOUT_S)
        with proof.timed("to_zero_s"):
            kube.until("no orchestrator", lambda: not kube.all("pods", selector("orchestrator")), ZERO_TIMEOUT_S)
        with proof.timed("woken_by_time_s"):  # nobody calls: the database alone says that a question has expired
            kube.until("an orchestrator", lambda: awake(kube), WAKE_TIMEOUT_S)
        with proof.timed("to_zero_again_s"):
            kube.until("no orchestrator", lambda: not kube.all("pods", selector("orchestrator")), ZERO_TIMEOUT_S)
        with proof.timed("request_to_answer_s"):
            started = developer.start("load", load_input(3))
        with proof.timed("answer_to_end_s"):
            platform.client("release-manager", HOLD_S).decide(approval, approve=True)
            ends = {
                run: kube.until(f"the end of {run}", functools.partial(developer.ended, run), RUN_TIMEOUT_S)
                for run in (answered, unanswered, started)
            }
        assert ends[answered]["state"] == ends[started]["state"] == "RUN_STATE_SUCCEEDED", ends
        assert ends[unanswered]["state"] == "RUN_STATE_FAILED", ends
        assert ends[unanswered]["reason"]["code"] == "APPROVAL_EXPIRED", ends
        record = [entry for run in ends for entry in platform.record(run)]
        problems = lost_or_repeated(list(ends), record, may_fail=True)
        proof.note(runs=len(ends), lost=len(problems), taken_over=taken_over(record))
        assert not problems, problems


def sleeping(database: str) -> dict[str, Any]:
    """Values of an orchestrator that is scaled to zero soon. KEDA may run where names of the cluster do not resolve."""
    callers = {"query": CALLERS, "metricType": "AverageValue", "threshold": 1_000_000}
    zero = {"cooldownSeconds": 5, "aheadSeconds": AHEAD_S, "databaseHost": database, "triggers": {"callers": callers}}
    return {**KEDA, "minReplicas": 0, "zero": zero}


def awake(kube: Kube) -> bool:
    """Whether there is an orchestrator that serves."""
    return any(is_ready(pod) for pod in kube.pods(selector("orchestrator")))


def replicas(kube: Kube, rollout: str) -> int:
    """Pods that there are."""
    return int(kube.get(ROLLOUTS, rollout).get("status", {}).get("replicas", 0))


def ready(kube: Kube, rollout: str) -> int:
    """Pods that are ready."""
    return int(kube.get(ROLLOUTS, rollout).get("status", {}).get("readyReplicas", 0))
