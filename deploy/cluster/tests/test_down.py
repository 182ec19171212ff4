"""What an end finds although nobody wrote it down."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from amas_test_cluster import down, network
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.layout import Layout
from amas_test_cluster.processes import Processes

# As containerd's shim: its containers are its children.
SHIM = "import subprocess, sys; subprocess.Popen(['sleep', '600']); print('begun', flush=True); sys.stdin.read()"


@pytest.fixture
def shims(layout: Layout) -> Iterator[list[psutil.Popen]]:
    """Two that have a container each: one of our containerd, one of another's."""
    begun = []
    for address in (str(layout.containerd_socket), "/run/containerd/containerd.sock.of-another"):
        words = [sys.executable, "-c", SHIM, "-namespace", "k8s.io", "-id", "a", "-address", address]
        begun.append(psutil.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert begun[-1].stdout.readline() == "begun\n"
    every = [process for shim in begun for process in (shim, *shim.children())]
    yield begun
    for process in every:
        if process.is_running():
            process.kill()
    for shim in begun:
        shim.communicate()


def test_pods_end_whose_containerd_was_killed(layout: Layout, shims: list[psutil.Popen]) -> None:
    """Else their cgroups would stay, and no cluster could come up; what belongs to another containerd is left alone."""
    ours, others = shims
    (container,), (foreign,) = ours.children(), others.children()
    down._end_orphans(layout)
    assert not [one for one in (ours, container) if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert others.poll() is None
    assert foreign.is_running()


def test_a_containerd_that_hangs_is_stopped_all_the_same(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a cluster whose containerd answers nobody could never be taken down."""

    def hangs(_: Layout) -> None:
        raise ClusterError("ctr took longer than 60 s")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    # What stands for the whole machine is left alone.
    for module, name in ((network, "take_down"), (down, "remove_pod_cgroups"), (down, "_remove_strays")):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(down, "_end_pods", hangs)
    processes = Processes(layout)
    processes.start("containerd", ["sleep", "600"])
    assert processes.running("containerd")
    down.take_down(layout)
    assert not processes.running("containerd")
    assert not layout.state.exists()


def test_folders_that_were_made_in_fixed_places_go_if_they_are_empty(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kubelet's socket that nobody answers at goes with them; what somebody else has put there stays."""
    assert {Path("/var/lib/kubelet"), Path("/usr/libexec/kubernetes"), Path("/opt/containerd")} <= set(down.MADE)
    assert not {Path("/var/lib"), Path("/usr/libexec"), Path("/opt"), Path("/run"), Path("/var/log")} & set(down.MADE)
    places = {folder: tmp_path / folder.relative_to("/") for folder in down.MADE}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    (places[down.OPTIONAL] / "bin" / "theirs").write_text("")
    monkeypatch.setattr(down, "MADE", tuple(places.values()))
    for name in ("LOG_LINKS", "NETWORK_RESULTS", "SHIM_SOCKETS", "DEVICE_PLUGINS"):
        monkeypatch.setattr(down, name, places[getattr(down, name)])
    monkeypatch.chdir(down.DEVICE_PLUGINS)  # an address has room for a short path alone
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind("kubelet.sock")
    down._remove_strays(layout)
    left = [place for place in places.values() if place.exists()]
    assert left == [places[down.OPTIONAL] / "bin", places[down.OPTIONAL]]
