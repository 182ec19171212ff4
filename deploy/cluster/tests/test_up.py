"""What counts as a cluster that came up, and which parts it has."""

from __future__ import annotations

from amas_test_cluster import up
from amas_test_cluster.down import AFTER_PODS, BEFORE_PODS, CAME_UP
from amas_test_cluster.kubectl import RUNNING_HYPER, kubectl_of
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


def test_a_running_cluster_keeps_its_own_kubectl(layout: Layout) -> None:
    """An edited checkout asks with the program that the cluster runs, not with one that is still to be built."""
    layout.state.mkdir()
    running = layout.state / RUNNING_HYPER
    running.write_text("#!/bin/sh\necho '{\"items\": []}'\n")
    running.chmod(0o755)
    assert kubectl_of(layout).json("get", "pods") == {"items": []}
