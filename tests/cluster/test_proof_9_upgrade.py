"""Proof 9: `helm upgrade` from the release before this one and back, runs in flight, one of them waiting for people.

The release before is that of deploy/previous: its own chart and images, on an empty database. It is upgraded as a
whole: one `helm upgrade`, four canaries at once.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.previous.build import RELEASE as RELEASE_BEFORE
from deploy.previous.build import read_release

from .conftest import RELEASE
from .database import ClusterDatabase, newest_revisions
from .helm import Release
from .kube import Kube
from .load.bounds import Rates
from .load.verdict import lost_or_repeated, taken_over
from .log import checkpoint, continues, exported, verified
from .platform import ROOT, RUN_TIMEOUT_S, ClusterPlatform
from .rollouts import Seen, Watch
from .services import SERVICES, images, not_ready, unsettled
from .summary import Proof, Summary

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
PREVIOUS = ROOT / "out" / "previous" / "charts" / "amas"
DATABASE = "amas_upgrade"
"""Beside the one that the other proofs fill: this one begins with nothing."""
RATES = Rates(runs=1.5, chats=1.2, streams=0.5, reads=3.0)
READY_TIMEOUT_S = 240.0
PROMOTION_TIMEOUT_S = 500.0
WARM_RUNS = 5
# Room on two cores for a canary of each service at the same time.
SIZES = {f"{service}.resources.requests.cpu": "90m" for service in SERVICES}


@pytest.fixture
def previous(release: Release) -> Release:
    """The release before, under the same name."""
    if not PREVIOUS.is_dir():
        pytest.fail(f"{PREVIOUS} is not there: run `make previous cluster-load`")
    return Release(release.name, release.namespace, PREVIOUS, (PREVIOUS / "values-testcluster.yaml",))


@pytest.fixture
def database(kube: Kube, dependencies: Kube) -> ClusterDatabase:
    """The proof's own database."""
    return ClusterDatabase(kube, dependencies, DATABASE)


@pytest.fixture
def upgraded(kube: Kube, dependencies: Kube) -> ClusterPlatform:
    """The release as its clients reach it, without what an earlier proof knew of addresses."""
    return ClusterPlatform(kube, dependencies, RELEASE)


def test_an_upgrade_loses_no_run(
    summary: Summary,
    kube: Kube,
    previous: Release,
    release: Release,
    upgraded: ClusterPlatform,
    database: ClusterDatabase,
    out: Path,
    good: dict[str, Any],
):
    """All canaries are promoted under load; a run of before waits through it; its record and the resources stand."""
    with summary.proof("9 upgrade", "helm upgrade from the release before, runs in flight: none lost") as proof:
        sets = {"global.database.name": database.name, **SIZES}
        remove(release, database)
        with proof.timed("install_previous_s"):
            previous.upgrade(sets)
            kube.until("every pod is ready", lambda: not not_ready(kube), READY_TIMEOUT_S)
        kube.until("every rollout is settled", lambda: not unsettled(kube, RELEASE), READY_TIMEOUT_S)
        before = State(kube, upgraded, database)
        waiting = upgraded.start("approved", 1)
        approval = kube.until("the approval", lambda: upgraded.client().pending_approval(waiting), RUN_TIMEOUT_S)
        with upgraded.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, READY_TIMEOUT_S)
            at_first = len(load.so_far.runs)
            tag = {"global.image.tag": good["global.image.tag"]}
            with proof.timed("upgrade_s"):
                upgrade(kube, release, {**sets, **tag}, proof)
            during = len(load.so_far.runs) - at_first
            kube.until("runs after it", lambda: len(load.so_far.runs) >= at_first + during + WARM_RUNS, READY_TIMEOUT_S)
            report = load.finish()
        report.write(out / "upgrade.jsonl")
        assert stands(kube, good["global.image.tag"])
        assert during > 0, "no run ended while it lasted"
        judged = upgraded.judge(report)
        proof.note(load=report.numbers(), failed=len(report.failed), runs=len(report.runs), during=during)
        proof.note(lost=len(judged.problems), taken_over=judged.taken_over)
        assert not report.failed, report.errors()
        assert not judged.problems, judged.problems[:10]
        check_the_wait(kube, upgraded, waiting, approval, proof)
        before.check(kube, upgraded, database, out, proof)


def test_a_rollback_loses_no_run(
    summary: Summary, kube: Kube, release: Release, upgraded: ClusterPlatform, database: ClusterDatabase, out: Path
):
    """The release before comes back under load, within its window, and works on with what the newer one left."""
    with summary.proof("9 rollback", "helm rollback to the release before, runs in flight: none lost") as proof:
        before = read_release(RELEASE_BEFORE).version
        if not release.installed():
            pytest.fail("this goes on from the release that the proof of the upgrade leaves: run both (-k upgrade)")
        kube.until("every rollout is settled", lambda: not unsettled(kube, RELEASE), READY_TIMEOUT_S)
        seen, schemas = checkpoint(upgraded), database.revisions()
        with upgraded.load(RATES) as load:
            kube.until("some runs", lambda: len(load.so_far.runs) >= WARM_RUNS, READY_TIMEOUT_S)
            at_first = len(load.so_far.runs)
            with proof.timed("back_s"):
                release.rollback()
                kube.until("the release before", lambda: stands(kube, before), PROMOTION_TIMEOUT_S)
            after = len(load.so_far.runs)
            assert after > at_first, "no run ended while it lasted"
            kube.until("runs after it", lambda: len(load.so_far.runs) >= after + WARM_RUNS, READY_TIMEOUT_S)
            report = load.finish()
        report.write(out / "rollback.jsonl")
        judged = upgraded.judge(report)
        proof.note(load=report.numbers(), failed=len(report.failed), runs=len(report.runs), lost=len(judged.problems))
        proof.note(taken_over=judged.taken_over)
        assert not report.failed, report.errors()
        assert not judged.problems, judged.problems[:10]
        assert database.revisions() == schemas
        log = continues(kube, RELEASE, seen)
        assert log.verified, log.findings
        assert log.consistent_with == seen.size
        proof.note(log=f"{seen.size}→{log.size} entries, one log")
        remove(release, database)


def stands(kube: Kube, tag: str) -> bool:
    """Whether all pods are those of a tag, and every Rollout is healthy with them."""
    found = [image for service in SERVICES for image in images(kube, service)]
    return all(image.endswith(f":{tag}") for image in found) and not unsettled(kube, RELEASE)


def remove(release: Release, database: ClusterDatabase) -> None:
    """Takes the release away, and then the proof's database. What failed stands, to be looked at."""
    if release.installed():
        release.uninstall()
    database.drop()


class State:
    """What is there before the upgrade: resources, a run that has ended and its place in the log, schemas."""

    def __init__(self, kube: Kube, platform: ClusterPlatform, database: ClusterDatabase) -> None:
        platform.apply_load()
        self._resources = resources(platform)
        ended = platform.run_to_end()
        assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
        self._run = str(ended["id"])
        self._record = platform.record(self._run)
        self._seen = kube.until("a checkpoint over the run", lambda: self._covering(platform), RUN_TIMEOUT_S)
        self._revisions = database.revisions()

    def check(self, kube: Kube, platform: ClusterPlatform, database: ClusterDatabase, out: Path, proof: Proof) -> None:
        """All of it is there after the upgrade, and the log is the same log, longer."""
        assert resources(platform) == self._resources
        revisions = database.revisions()
        assert revisions == newest_revisions()
        steps = [f"{name} {self._revisions[name]}→{revision}" for name, revision in revisions.items()]
        assert platform.record(self._run)[: len(self._record)] == self._record
        said = verified(exported(platform, self._run, out / "upgrade.export"), self._seen.key)
        report = continues(kube, RELEASE, self._seen)
        assert report.verified, report.findings
        assert report.consistent_with == self._seen.size
        assert report.size > self._seen.size
        proof.note(schemas=", ".join(steps), resources=len(self._resources) - 1, run_of_before=said)
        proof.note(log=f"{self._seen.size}→{report.size} entries, one log")

    def _covering(self, platform: ClusterPlatform) -> Any:
        """A checkpoint of before under which the run's last entry stands."""
        found = checkpoint(platform)
        return found if found.size > max(int(one["index"]) for one in self._record) else None


def resources(platform: ClusterPlatform) -> dict[str, str]:
    """All stored resources by kind and name, and the bundle that they are together."""
    answer = platform.client().call("GET", "/resources?pageSize=100")
    assert not answer.get("nextPageToken")
    assert answer["resources"]
    return {"bundle": answer["bundle"]["digest"]} | {
        json.dumps([one["kind"], one["name"]]): json.dumps(one, sort_keys=True) for one in answer["resources"]
    }


def upgrade(kube: Kube, release: Release, sets: dict[str, Any], proof: Proof) -> None:
    """Upgrades all services at once, and waits until each one's canary is promoted."""
    with ExitStack() as stack:
        watches = {name: stack.enter_context(Watch(kube, f"{RELEASE}-{name}")) for name in SERVICES}
        stable = {
            name: watch.until("its state", lambda one: one.promoted, 60).stable for name, watch in watches.items()
        }
        with proof.timed("hooks_s"):
            release.upgrade(sets)

        def decided(name: str) -> Seen:
            return watches[name].until(
                "promoted or not",
                lambda one: (one.promoted and one.stable != stable[name]) or one.aborted,
                PROMOTION_TIMEOUT_S,
            )

        for name in SERVICES:
            done = decided(name)
            assert done.promoted, done
            proof.note(**{f"{name}_s": done.at})


def check_the_wait(kube: Kube, platform: ClusterPlatform, run: str, approval: dict[str, Any], proof: Proof) -> None:
    """A run that began before the upgrade still waits; it is approved and writes once."""
    assert platform.client().run(run)["state"] == "RUN_STATE_WAITING"
    with proof.timed("answer_to_end_s"):
        platform.client("release-manager").decide(approval, approve=True)
        ended = kube.until("the end", lambda: platform.client().ended(run), RUN_TIMEOUT_S)
    assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
    record = platform.record(run)
    assert lost_or_repeated([run], record) == []
    assert taken_over(record) >= 1, "it was never taken over, though every pod of before is gone"
    proof.note(waiting_taken_over=taken_over(record))
