"""What counts as a cluster that came up, and which parts it has."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from amas_test_cluster import network, packages, up
from amas_test_cluster.down import AFTER_PODS, BEFORE_PODS, CAME_UP
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.kubectl import kubectl_of
from amas_test_cluster.layout import Layout


def test_every_part_is_stopped_too() -> None:
    """What a start starts, the end ends; a part that is forgotten would outlive the cluster."""
    assert sorted(up.parts(keda=True)) == sorted((*BEFORE_PODS, *AFTER_PODS))
    assert set(up.parts(keda=True)) - set(up.parts(keda=False)) == {"keda-operator", "keda-adapter"}


def test_an_earlier_boot_is_no_running_cluster(layout: Layout) -> None:
    """Its files are there, but its mounts and interfaces are gone: it is cleared, not continued."""
    layout.state.mkdir()
    assert not up._came_up(layout)
    (layout.state / CAME_UP).write_text(up._boot())
    assert up._came_up(layout)
    (layout.state / CAME_UP).write_text("another boot\n")
    assert not up._came_up(layout)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no program at all."""
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(packages, "ALSO_IN", "")


@pytest.mark.usefixtures("bare")
def test_a_bare_machine_is_told_its_packages_before_anything_is_built(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the first program that is missing, and not after half an hour of compiling."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ClusterError, match=r"missing: conntrack, containerd, .*nftables.*as root: apt-get install"):
        up.bring_up(layout)
    assert not layout.cache.exists()


def test_who_is_not_root_hears_it_before_anything_is_built(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of the other way, with a cluster of their own."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="run it as root, or set KUBECONFIG"):
        up.bring_up(layout)
    assert not layout.cache.exists()


@pytest.mark.usefixtures("bare")
def test_without_nft_there_is_no_table_of_it() -> None:
    """So that the end finds nothing to do on a machine that never had a cluster."""
    assert not {table for _, table in network.TABLES} & set(network.remains())


def test_a_running_cluster_keeps_its_own_kubectl(layout: Layout) -> None:
    """An edited checkout asks with the program that the cluster runs, not with one that is still to be built."""
    layout.state.mkdir()
    running = layout.running_hyper
    running.write_text("#!/bin/sh\necho '{\"items\": []}'\n")
    running.chmod(0o755)
    assert kubectl_of(layout).json("get", "pods") == {"items": []}


OWN_KUBECTL = """#!/bin/sh
case "$*" in
  *"get --raw /readyz"*) [ -z "$FAKE_CLUSTER_IS_DOWN" ];;
  *"get crd rollouts.argoproj.io"*) exit 0;;
  *) exit 1;;
esac
"""


@pytest.fixture
def own(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A layout of a user's cluster that has Argo Rollouts alone, and the user's kubectl, which we made."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "kubectl").write_text(OWN_KUBECTL)
    (tools / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    return dataclasses.replace(layout, own_kubeconfig=str(tmp_path / "mine"))


def test_what_an_own_cluster_lacks_is_named_and_nothing_is_built(own: Layout) -> None:
    """With the user's kubectl nothing has to be compiled, and what is missing is said with where to get it."""
    with pytest.raises(ClusterError, match=r"lacks: KEDA \(https://.*\); the Prometheus Operator \(https://"):
        up.use_own(own)
    assert not own.builds.exists()


def test_an_own_cluster_that_does_not_answer(own: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said which file led there."""
    monkeypatch.setenv("FAKE_CLUSTER_IS_DOWN", "1")
    with pytest.raises(ClusterError, match=f"no cluster answers behind KUBECONFIG={own.own_kubeconfig}"):
        up.use_own(own)
