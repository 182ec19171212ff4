"""Proof 8: the charts' jobs archive a full partition of the log and drop it; an auditor gets and judges the files."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..audit_partitions import cut, is_cut
from ..gateway_client import ProblemError
from .archiving import Archive
from .conftest import RELEASE
from .database import ClusterDatabase
from .helm import Release
from .kube import Kube
from .log import checkpoint, continues
from .platform import ClusterPlatform
from .rollouts import ROLLOUTS, seen
from .services import unsettled
from .summary import Summary
from .witnessing import run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
SETTLE_TIMEOUT_S = 240.0
GROWN_TIMEOUT_S = 120.0
FULL = 256
"""Entries of the partition: the fewest that there can be, since the real ones have a million."""
RUNS = 20
"""More than enough for so many entries."""
LOCATION = "the volume amas-audit-archive"
# By hand alone: never the day on which a schedule comes due in the middle of the proof.
NEVER = "0 0 1 1 *"
DATABASE = "amas"


@pytest.fixture
def archive(kube: Kube, release: Release, good: dict[str, Any]) -> Iterator[Archive]:
    """At the end nothing archives any more; the claim stays, with what is there alone."""
    found = Archive(kube, RELEASE)
    found.prepare()
    yield found
    if release.installed():
        release.upgrade(good)


def test_the_log_is_archived_and_dropped_by_jobs(
    summary: Summary,
    kube: Kube,
    dependencies: Kube,
    release: Release,
    platform: ClusterPlatform,
    good: dict[str, Any],
    archive: Archive,
    tmp_path: Path,
):
    """Nothing while no partition is full; then that one, dropped on record, verified from a copy alone."""
    with summary.proof(
        "8 archive", "CronJobs archive a full partition and drop it; an auditor verifies a copy"
    ) as proof:
        kube.until("every rollout is settled", lambda: not unsettled(kube, RELEASE), SETTLE_TIMEOUT_S)
        database = ClusterDatabase(kube, dependencies, str(good.get("global.database.name", DATABASE)))
        drop = {"enabled": True, "schedule": NEVER, "afterDays": 0, "location": LOCATION}
        values = {"enabled": True, "schedule": NEVER, "persistence": {"size": "64Mi"}, "drop": drop}
        pods = serving(kube)
        with proof.timed("upgrade_s"):
            release.upgrade(good | {"audit.archive": values})
        assert serving(kube) == pods, "jobs beside it are no new release of audit"

        archiving, dropping = archive.cron_jobs
        # A log that an earlier run of this proof cut stays so.
        if not database.ask(is_cut):
            with proof.timed("nothing_is_full_s"):
                assert "\n0 entries are archived" in f"\n{archive.run(archiving)}"
            grown(kube, platform)
            database.ask(lambda connection: cut(connection, FULL))
        before = checkpoint(platform)
        with proof.timed("archived_s"):
            assert f"{FULL} entries are archived" in archive.run(archiving)
        with proof.timed("dropped_s"):
            assert f"{FULL} entries are in the archive alone" in archive.run(dropping)

        with proof.timed("copied_s"):
            registry = good.get("global.image.registry", "registry.local/amas")
            records = archive.copied(f"{registry}/audit:{good['global.image.tag']}", tmp_path)
        key = tmp_path / "audit.pub"
        key.write_text(f"{before.key}\n")
        told = run("amas_cli", "audit", "verify", "--log", str(records), "--public-key", str(key))
        assert f"{FULL} entries" in told
        proof.note(files=sum(1 for file in records.rglob("*") if file.is_file()), entries=FULL)
        changed_copy_is_refused(records, key)

        proof.note(log_entries=continues(kube, RELEASE, before).size)
        readers_are_told(platform)
        assert platform.run_to_end(1)["state"] == "RUN_STATE_SUCCEEDED"


def serving(kube: Kube) -> str:
    """What audit's pods are made of: the hash of their template."""
    return seen(kube.get(ROLLOUTS, f"{RELEASE}-audit"), 0).current


def grown(kube: Kube, platform: ClusterPlatform) -> None:
    """Sees to it that the log has more entries than the partition."""
    if checkpoint(platform).size <= FULL:
        platform.apply_load()
        for number in range(RUNS):
            platform.start("load", number)
    kube.until("more entries than the partition has", lambda: checkpoint(platform).size > FULL, GROWN_TIMEOUT_S)


def changed_copy_is_refused(records: Path, key: Path) -> None:
    """One byte of one entry."""
    bundle = records / "tile" / "entries" / "000"
    whole = bundle.read_bytes()
    bundle.chmod(0o600)
    bundle.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(AssertionError, match="exit 1"):
        run("amas_cli", "audit", "verify", "--log", str(records), "--public-key", str(key))


def readers_are_told(platform: ClusterPlatform) -> None:
    """Who asks for the beginning is told where it is; who asks for the newest finds that it was put on record."""
    auditor = platform.client("auditor")
    with pytest.raises(ProblemError) as refused:
        auditor.call("GET", "/audit/events?pageSize=10")
    assert (refused.value.reason, LOCATION in str(refused.value.body)) == ("ENTRIES_ARCHIVED", True)
    query = urllib.parse.urlencode({"type": "dev.amas.audit.dropped", "order": "newest"})
    (entry, *_) = auditor.call("GET", f"/audit/events?{query}")["entries"]
    assert LOCATION in str(entry)
