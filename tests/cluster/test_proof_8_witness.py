"""Proof 8: a witness in a namespace of its own cosigns the log, and verifiers may demand its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import NAMESPACE, RELEASE
from .evidence import keep
from .helm import Release
from .kube import Kube
from .log import exported
from .platform import ClusterPlatform
from .rollouts import ROLLOUTS, promote_by_plugin, seen
from .services import unsettled
from .summary import PASSED, Summary
from .witnessing import CLAIM, PORT, Witness, prepared, verified

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
SETTLE_TIMEOUT_S = 240.0
COSIGNED_TIMEOUT_S = 60.0
CONFIG = "amas-witnesses"


@pytest.fixture
def witness(kube: Kube, release: Release, summary: Summary, good: dict[str, Any], tmp_path: Path) -> Iterator[Witness]:
    """At the end audit asks nobody any more, and the witness is gone."""
    with prepared(Kube(f"{NAMESPACE}-witness"), tmp_path) as found:
        try:
            yield found
            if summary.proofs and summary.proofs[-1].result != PASSED:
                keep(summary.proofs[-1].name.replace(" ", "-"), [found.kube])
        finally:
            if release.installed():
                release.upgrade(good)
            kube.run("delete", "configmap", CONFIG, "--ignore-not-found")


def test_a_witness_cosigns_what_readers_are_shown(
    summary: Summary,
    kube: Kube,
    release: Release,
    platform: ClusterPlatform,
    good: dict[str, Any],
    witness: Witness,
    tmp_path: Path,
):
    """Installed by the charts' READMEs; an export of before is refused by who demands the name, one of after taken."""
    with summary.proof("8 witness", "a witness's chart cosigns the log; verifiers demand its name") as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, RELEASE), SETTLE_TIMEOUT_S)
        platform.apply_load()
        told = platform.client("auditor").call("GET", "/audit/checkpoint")
        log = tmp_path / "audit.pub"
        log.write_text(told["verifierKey"] + "\n")
        before = exported(platform, platform.run_to_end(1)["id"], tmp_path / "before.jsonl")
        assert verified(before, log, quorum=0)
        assert not verified(before, log, witness.key)

        with proof.timed("installed_s"):
            witness.install(told["verifierKey"], NAMESPACE, good["global.image.tag"])
        with proof.timed("asked_by_audit_s"):
            line = f"{witness.url} {witness.key}"
            kube.run("create", "configmap", CONFIG, f"--from-literal=witnesses.txt={line}")
            peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": witness.kube.namespace}}}]
            asked = {
                "audit.witnesses": CONFIG,
                "audit.settings.WITNESS_QUORUM": 1,
                "global.networkPolicy.witnesses": {"peers": peers, "ports": [PORT]},
            }
            release.upgrade(good | asked)
            # Settings alone have changed: a person spares the pods their analysis.
            audit = f"{RELEASE}-audit"
            kube.until("the change is seen", lambda: not seen(kube.get(ROLLOUTS, audit), 0).promoted, SETTLE_TIMEOUT_S)
            promote_by_plugin(kube, audit, full=True)
            kube.until("every rollout is settled", lambda: not unsettled(kube, RELEASE), SETTLE_TIMEOUT_S)

        run = platform.run_to_end(2)["id"]
        after = tmp_path / "after.jsonl"
        with proof.timed("cosigned_s"):
            kube.until(
                "a cosigned checkpoint covers the run",
                lambda: verified(exported(platform, run, after), log, witness.key),
                COSIGNED_TIMEOUT_S,
            )
        assert not verified(after, log, witness.new_key("other.pem", "witness.example.org/w2")), "nobody asked that one"
        witness.release.uninstall()
        assert witness.kube.exists("persistentvolumeclaim", CLAIM), "what it has seen outlives the release"
