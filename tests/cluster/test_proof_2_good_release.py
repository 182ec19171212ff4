"""Proof 2: a good release of each service is promoted step by step by analysis, and no client notices.

Two of them wait for a person after their analysis, as production demands: whoever has the plugin of Argo Rollouts, and
whoever has kubectl alone, can say yes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .helm import Release
from .kube import Kube
from .load.bounds import Rates
from .load.driver import BackgroundLoad
from .platform import ClusterPlatform
from .rollouts import Seen, Watch, promote_by_kubectl, promote_by_plugin
from .services import ROLLOUTS, SERVICES, images, unsettled
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
RATES = Rates(runs=1.5, chats=1.2, streams=0.5, reads=3.0)
SETTLE_TIMEOUT_S = 240.0
PROMOTION_TIMEOUT_S = 400.0
WARM_RUNS = 5
TAG = "next"
HELD_RUNS = 8
APPROVED = {"audit": promote_by_kubectl, "gateway": promote_by_plugin}
"""Services whose canary waits for a person, and how it is told to go on."""


def test_a_good_release_is_promoted(
    summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform, out: Path, good: dict[str, Any]
):
    """Each service in turn, from right to left of the arrows; 0 failed requests, 0 lost runs."""
    promise = "promoted by analysis, two of them by a person too, under load; 0 failed requests, 0 lost runs"
    with summary.proof("2 good release", promise) as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            for service in reversed(SERVICES):
                with Watch(kube, f"{release.name}-{service}") as watch:
                    watch.until("its state", lambda one: one.promoted, SETTLE_TIMEOUT_S)
                    good[f"{service}.image.tag"] = TAG
                    begun = watch.elapsed
                    approval = {f"{service}.delivery.approval": True} if service in APPROVED else {}
                    release.upgrade(good | approval)
                    if approval:
                        waited = held(kube, watch, load, begun)
                        proof.note(**{f"{service}_waited_at": f"{waited.weight} %"})
                        APPROVED[service](kube, watch.name)
                    done = watch.until(
                        "promoted or not",
                        lambda one: one.promoted or one.aborted,
                        PROMOTION_TIMEOUT_S,
                        after=begun + 0.1,
                    )
                    assert done.promoted, done
                    steps = {one.step for one in watch.states if one.at > begun}
                    assert len(steps) == done.steps + 1, f"steps that were seen: {sorted(steps)} of {done.steps}"
                    assert all(image.endswith(f":{TAG}") for image in images(kube, service))
                    proof.note(**{f"{service}_s": round(done.at - begun, 1)})
            report = load.finish()
        report.write(out / "good-release.jsonl")
        judged = platform.judge(report)
        proof.note(load=report.numbers(), failed=len(report.failed), runs=len(report.runs), lost=len(judged.problems))
        proof.note(taken_over=judged.taken_over)
        assert not report.failed, report.errors()
        assert not judged.problems, judged.problems[:10]


def held(kube: Kube, watch: Watch, load: BackgroundLoad, begun: float) -> Seen:
    """Waits for the pause after the last analysis and sees it hold, while both revisions serve; answers its state."""
    state = watch.until(
        "it waits for a person",
        lambda one: (one.phase == "Paused" and one.step == one.steps - 1) or one.aborted or one.promoted,
        PROMOTION_TIMEOUT_S,
        after=begun + 0.1,
    )
    assert state.phase == "Paused", state
    rollout = kube.get(ROLLOUTS, watch.name)
    # No duration: nothing but a person ends it.
    assert rollout["spec"]["strategy"]["canary"]["steps"][-1] == {"pause": {}}
    assert [one["reason"] for one in rollout["status"]["pauseConditions"]] == ["CanaryPauseStep"]
    more = len(load.so_far.runs) + HELD_RUNS
    kube.until("runs meanwhile", lambda: len(load.so_far.runs) >= more, SETTLE_TIMEOUT_S)
    now = watch.states[-1]
    assert (now.phase, now.step, now.weight) == ("Paused", state.step, state.weight), now
    assert 0 < now.new < now.total, now
    return state
