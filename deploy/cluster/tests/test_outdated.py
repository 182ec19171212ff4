"""Builds are removed once nobody has a use for them, and not before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from amas_test_cluster.build import Builds
from amas_test_cluster.components import MODULES
from amas_test_cluster.files import write_json
from amas_test_cluster.layout import Layout
from amas_test_cluster.outdated import KEPT_DAYS, remove_outdated

DAY = 86_400.0
NOW = 2_000_000_000.0
LONG_AGO = NOW - (KEPT_DAYS + 1) * DAY


def build(layout: Layout, name: str, asked: float = LONG_AGO) -> Path:
    """A build that was last asked for at `asked`."""
    folder = layout.builds / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "hyper").write_text("program")
    os.utime(folder, (asked, asked))
    return folder


def left(layout: Layout) -> list[str]:
    """What stands in the cache."""
    return sorted(path.name for path in layout.builds.iterdir())


def test_what_nobody_asked_for_is_removed(layout: Layout) -> None:
    """Another version's build goes after its days; what this checkout names, and what is not a build, stays."""
    named = build(layout, "kubernetes-0123456789ab")
    build(layout, "kubernetes-ba9876543210")
    build(layout, "keda-ba9876543210", NOW - (KEPT_DAYS - 1) * DAY)
    build(layout, "kubectl")
    build(layout, ".removed-rollouts-ba9876543210")
    build(layout, ".building-rollouts-ba9876543210")
    assert remove_outdated(layout, {named}, NOW) == ["kubernetes-ba9876543210"]
    assert left(layout) == [
        ".building-rollouts-ba9876543210",
        "keda-ba9876543210",
        "kubectl",
        "kubernetes-0123456789ab",
    ]


def test_what_a_cluster_runs_stays(layout: Layout) -> None:
    """However long it has run: its parts are started again from there."""
    folder = build(layout, "kubernetes-ba9876543210")
    layout.processes.mkdir(parents=True)
    record = layout.processes / "etcd.json"
    write_json(record, {"argv": [str(folder / "bin" / "hyper"), "etcd"], "environment": {}}, 0o600)
    assert remove_outdated(layout, (), NOW) == []
    record.unlink()
    assert remove_outdated(layout, (), NOW) == [folder.name]


@pytest.mark.parametrize("where", ["state/hyper", "cache/bin/kubectl"])
def test_what_a_link_points_to_stays(layout: Layout, tmp_path: Path, where: str) -> None:
    """The cluster's own kubectl, and the one that people call."""
    folder = build(layout, "kubernetes-ba9876543210")
    link = tmp_path / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder / "bin" / "hyper")
    assert remove_outdated(layout, (), NOW) == []
    link.unlink()
    assert remove_outdated(layout, (), NOW) == [folder.name]


def test_a_build_that_is_asked_for_is_not_outdated(layout: Layout) -> None:
    """Asking for it, without building, is a use."""
    builds = Builds(layout)
    for module in MODULES:
        builds._folder(module).mkdir(parents=True)
        os.utime(builds._folder(module), (1.0, 1.0))
    builds.ensure()
    assert remove_outdated(layout, ()) == []


HOLDS_A_LOCK = """
import fcntl, sys
stream = open(sys.argv[1], "w")
fcntl.flock(stream, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
REMOVES = """
import sys
from pathlib import Path
from amas_test_cluster.build import Builds
from amas_test_cluster.layout import Layout
layout = Layout(source=Path(sys.argv[1]), cache=Path(sys.argv[2]), state=Path(sys.argv[3]), own_kubeconfig="")
print(Builds(layout).remove_outdated(), flush=True)
"""


def test_nothing_is_removed_while_another_builds(layout: Layout) -> None:
    """It waits for the lock of builds, says so, and removes then."""
    folder = build(layout, "kubernetes-ba9876543210", 1.0)
    lock = [sys.executable, "-c", HOLDS_A_LOCK, str(layout.builds / "build.lock")]
    remove = [sys.executable, "-c", REMOVES, str(layout.source), str(layout.cache), str(layout.state)]
    with subprocess.Popen(lock, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen(remove, stdout=subprocess.PIPE, text=True) as remover:
            assert remover.stdout is not None
            assert "another build is under way" in remover.stdout.readline()
            assert folder.is_dir()
            holder.communicate("")
            assert remover.stdout.readline() == f"['{folder.name}']\n"
    assert not folder.exists()
