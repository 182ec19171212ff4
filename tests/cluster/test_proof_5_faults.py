"""Proof 5: what breaks fails closed, comes back by itself, and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import node
from .helm import Release
from .kube import Kube
from .load.bounds import Rates
from .load.verdict import lost_or_repeated, taken_over
from .platform import RUN_TIMEOUT_S, ClusterPlatform
from .services import not_ready, selector, unsettled
from .summary import Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
RATES = Rates(runs=1.0, chats=1.0, streams=0.2, reads=1.0)
SETTLE_TIMEOUT_S = 240.0
BACK_TIMEOUT_S = 180.0
WARM_RUNS = 3
ours = pytest.mark.skipif(not node.is_ours(), reason="breaks the node of deploy/cluster, which is not this cluster's")


def test_a_pod_is_deleted_while_people_think(summary: Summary, kube: Kube, release: Release, platform: ClusterPlatform):
    """A run that waits for an approval survives every orchestrator pod; the write happens once, after the answer."""
    with summary.proof("5 approval wait", "all orchestrator pods deleted while a run waits for people") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, release.name), SETTLE_TIMEOUT_S)
        client = platform.client()
        run = platform.start("approved", 1)
        approval = kube.until("the approval", lambda: client.pending_approval(run), RUN_TIMEOUT_S)
        with proof.timed("pods_back_s"):
            gone = [pod["metadata"]["name"] for pod in kube.pods(selector("orchestrator"))]
            for pod in gone:
                kube.delete("pod", pod)
            kube.until("other pods, all ready", lambda: replaced(kube, gone), BACK_TIMEOUT_S)
        with proof.timed("readable_s"):
            # All pods of a service went at once: for a moment the gateway has nobody to ask, and says so.
            state = kube.until("the run's state", lambda: platform.client().run(run)["state"], BACK_TIMEOUT_S)
        assert state == "RUN_STATE_WAITING"
        with proof.timed("answer_to_end_s"):
            platform.client("release-manager").decide(approval, approve=True)
            ended = kube.until("the end", lambda: platform.client().ended(run), RUN_TIMEOUT_S)
        assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
        record = platform.record(run)
        assert lost_or_repeated([run], record) == []
        proof.note(taken_over=taken_over(record))


@ours
def test_the_opa_containers_are_killed(summary: Summary, kube: Kube, platform: ClusterPlatform, out: Path):
    """Without OPA nothing is decided and nothing happens; it is started again, and the runs go on."""
    with summary.proof("5 opa killed", "OPA killed in each orchestrator pod under load") as proof:
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            with proof.timed("back_s"):
                for pod in kube.pods(selector("orchestrator")):
                    node.kill_container(kube, pod["metadata"]["name"], "opa")
                kube.until("every pod is ready", lambda: not not_ready(kube), BACK_TIMEOUT_S)
            after = len(load.so_far.runs)
            kube.until("runs after it", lambda: len(load.so_far.runs) > after + WARM_RUNS, SETTLE_TIMEOUT_S)
            report = load.finish()
        report.write(out / "opa-killed.jsonl")
        judged = platform.judge(report, may_fail=True)
        proof.note(load=report.numbers(), runs=len(report.runs), failed=len(report.failed), lost=len(judged.problems))
        proof.note(errors=report.errors())
        assert not judged.problems, judged.problems[:10]


@ours
def test_postgres_restarts(summary: Summary, kube: Kube, dependencies: Kube, platform: ClusterPlatform, out: Path):
    """Without the database nothing is accepted that is not kept; when it is back, the runs that were accepted go on."""
    with summary.proof("5 postgres restart", "Postgres killed under load") as proof:
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            (pod,) = dependencies.pods("app.kubernetes.io/name=postgres")
            with proof.timed("back_s"):
                node.kill_container(dependencies, pod["metadata"]["name"], "postgres")
                kube.until("every pod is ready", lambda: not not_ready(kube), BACK_TIMEOUT_S)
            after = len(load.so_far.runs)
            kube.until("runs after it", lambda: len(load.so_far.runs) > after + WARM_RUNS, SETTLE_TIMEOUT_S)
            report = load.finish()
        report.write(out / "postgres-restart.jsonl")
        judged = platform.judge(report, may_fail=True)
        proof.note(load=report.numbers(), runs=len(report.runs), failed=len(report.failed), lost=len(judged.problems))
        proof.note(errors=report.errors())
        assert not judged.problems, judged.problems[:10]


@ours
def test_the_kubelet_restarts(summary: Summary, kube: Kube, platform: ClusterPlatform, out: Path):
    """Pods go on while their node's kubelet is away and after it came back."""
    with summary.proof("5 kubelet restart", "the node's kubelet restarted under load; no request fails") as proof:
        names = {pod["metadata"]["name"] for pod in kube.pods("app.kubernetes.io/component=service")}
        with platform.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, SETTLE_TIMEOUT_S)
            with proof.timed("back_s"):
                node.restart("kubelet")
                kube.until("every pod is ready", lambda: not not_ready(kube), BACK_TIMEOUT_S)
            after = len(load.so_far.runs)
            kube.until("runs after it", lambda: len(load.so_far.runs) > after + WARM_RUNS, SETTLE_TIMEOUT_S)
            report = load.finish()
        report.write(out / "kubelet-restart.jsonl")
        judged = platform.judge(report)
        proof.note(load=report.numbers(), runs=len(report.runs), failed=len(report.failed), lost=len(judged.problems))
        assert {pod["metadata"]["name"] for pod in kube.pods("app.kubernetes.io/component=service")} == names
        assert not report.failed, report.errors()
        assert not judged.problems, judged.problems[:10]


def replaced(kube: Kube, gone: list[str]) -> bool:
    """Whether other pods are ready in the place of these."""
    names = {pod["metadata"]["name"] for pod in kube.pods(selector("orchestrator"))}
    return not names & set(gone) and len(names) >= len(gone) and not not_ready(kube)
