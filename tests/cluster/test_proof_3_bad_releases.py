"""Proof 3: three bad releases, each taken back by analysis alone; runs in flight end once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .helm import Release
from .kube import Kube
from .load.bounds import Rates
from .platform import ClusterPlatform
from .rollouts import Watch
from .services import ROLLOUTS, images, unsettled
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
RATES = Rates(runs=1.5, chats=1.2, streams=0.5, reads=3.0)
SETTLE_TIMEOUT_S = 240.0
BACK_TIMEOUT_S = 300.0
WARM_RUNS = 5
CASES = [
    pytest.param("ai-router", "bad-errors", "errors", id="errors"),
    pytest.param("ai-router", "bad-latency", "latency", id="latency"),
    pytest.param("orchestrator", "bad-cost", "cost", id="cost"),
]


@pytest.mark.parametrize(("service", "tag", "metric"), CASES)
def test_a_bad_release_is_taken_back(
    summary: Summary,
    kube: Kube,
    release: Release,
    platform: ClusterPlatform,
    out: Path,
    good: dict[str, Any],
    service: str,
    tag: str,
    metric: str,
):
    """The analysis of its own fault fails, the stable pods go on, and every accepted run ends once."""
    with summary.proof(f"3 {tag}", f"{service} rolled back by the analysis of {metric} alone") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        before = images(kube, service)
        with platform.load(RATES) as load, Watch(kube, f"{release.name}-{service}") as watch:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            begun = watch.elapsed
            release.upgrade({**good, f"{service}.image.tag": tag})
            bad = watch.until(
                "a bad pod is up",
                lambda one: one.current != one.stable and one.new_ready > 0,
                SETTLE_TIMEOUT_S,
                after=begun + 0.1,
            )
            gone = watch.until("taken back", lambda one: one.rolled_back or one.promoted, BACK_TIMEOUT_S, after=bad.at)
            assert gone.rolled_back, gone
            back = watch.until("stable alone", lambda one: one.aborted and one.new == 0, BACK_TIMEOUT_S, after=gone.at)
            proof.note(bad_to_abort_s=round(gone.at - bad.at, 1), bad_to_back_s=round(back.at - bad.at, 1))
            after = len(load.so_far.runs)
            kube.until("runs by the stable pods", lambda: len(load.so_far.runs) > after + WARM_RUNS, SETTLE_TIMEOUT_S)
            report = load.finish()
        report.write(out / f"{tag}.jsonl")
        failed = failed_metrics(kube, f"{release.name}-{service}")
        proof.note(failed_metrics=",".join(sorted(failed)))
        assert any(name.endswith(metric) for name in failed), failed
        assert images(kube, service) == before
        late = [one for one in report.failed if one.begun > report.seconds - (watch.elapsed - back.at) + 5]
        judged = platform.judge(report, may_fail=metric == "errors")
        proof.note(load=report.numbers(), failed=len(report.failed), runs=len(report.runs), lost=len(judged.problems))
        proof.note(taken_over=judged.taken_over)
        assert not judged.problems, judged.problems[:10]
        if metric != "errors":
            assert not report.failed, report.errors()
        assert not late, late[:5]
        release.upgrade(good)
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)


def failed_metrics(kube: Kube, rollout: str) -> set[str]:
    """Metrics that the newest analysis of a Rollout found to fail."""
    runs = kube.all("analysisruns.argoproj.io")
    of_it = [run for run in runs if any(owner["name"] == rollout for owner in run["metadata"]["ownerReferences"])]
    assert of_it, f"{ROLLOUTS} {rollout} has no analysis"
    newest = max(of_it, key=lambda run: str(run["metadata"]["creationTimestamp"]))
    results = newest.get("status", {}).get("metricResults", [])
    return {str(one["name"]) for one in results if one.get("phase") == "Failed"}
