"""Proof 4: KEDA scales the orchestrator out while runs queue up, and back in, and no run is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .helm import Release
from .kube import Kube
from .load.bounds import Rates
from .platform import ClusterPlatform
from .services import ROLLOUTS, unsettled
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]
CALM = Rates(runs=1.5, chats=1.2, streams=0.5, reads=3.0)
BURST = Rates(runs=6.0, chats=0.5, streams=0.0, reads=0.0)
SETTLE_TIMEOUT_S = 300.0
OUT_TIMEOUT_S = 240.0
IN_TIMEOUT_S = 300.0
SCALED = {
    # A pod that takes 256 runs at once never lets one wait.
    "orchestrator.settings.RUN_CONCURRENCY": 4,
    "orchestrator.autoscaling": {
        "kind": "keda",
        "minReplicas": 1,
        "maxReplicas": 3,
        "pollingSeconds": 5,
        "down": {"stabilizationSeconds": 30, "periodSeconds": 10},
    },
}


def test_the_orchestrator_scales_out_and_in(
    summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform, out: Path, good: dict[str, Any]
):
    """From one pod to more and back to one; every accepted run ends once."""
    with summary.proof("4 autoscaling", "KEDA scales out on queued runs and back in; no run lost") as proof:
        rollout = f"{release.name}-orchestrator"
        with platform.load(CALM) as load:  # the change is a release like any other, and judged
            release.upgrade({**good, **SCALED})
            kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
            before = load.finish()
        kube.until("one orchestrator at rest", lambda: replicas(kube, rollout) == 1, SETTLE_TIMEOUT_S)
        with proof.timed("out_s"), platform.load(BURST) as load:
            kube.until("scaled out", lambda: ready(kube, rollout) > 1, OUT_TIMEOUT_S)
            most = replicas(kube, rollout)
            report = load.finish()
        with proof.timed("in_s"):
            kube.until("scaled in", lambda: replicas(kube, rollout) == 1, IN_TIMEOUT_S)
        report.write(out / "autoscaling.jsonl")
        problems = [*platform.judge(before).problems, *platform.judge(report).problems]
        runs = len(before.runs) + len(report.runs)
        proof.note(load=report.numbers(), most=most, runs=runs, failed=len(report.failed), lost=len(problems))
        assert not problems, problems[:10]
        release.upgrade(good, take_over=True)
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)


def replicas(kube: Kube, rollout: str) -> int:
    """Pods that there are."""
    return int(kube.get(ROLLOUTS, rollout).get("status", {}).get("replicas", 0))


def ready(kube: Kube, rollout: str) -> int:
    """Pods that are ready."""
    return int(kube.get(ROLLOUTS, rollout).get("status", {}).get("readyReplicas", 0))
