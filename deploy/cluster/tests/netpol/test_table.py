"""The policies of the moment go to nft in one step, and never those of a cluster that is not ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from amas_test_cluster import network
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.kubectl import Kubectl
from amas_test_cluster.layout import Layout
from amas_test_cluster.netpol import table

from .world import policy

POD = {
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {"containers": [{}]},
    "status": {"podIP": "10.243.0.2", "phase": "Running"},
}
ANSWERS = {
    "networkpolicies.networking.k8s.io": [policy({"policyTypes": ["Ingress", "Egress"]})],
    "pods": [POD],
    "namespaces": [{"metadata": {"name": "shop"}}],
}


@pytest.fixture
def kubectl(tmp_path: Path, layout: Layout) -> Kubectl:
    """A program that answers like kubectl."""
    for kind, items in ANSWERS.items():
        (tmp_path / kind).write_text(json.dumps({"items": items}))
    # --kubeconfig, --cache-dir and --request-timeout come before `get KIND`.
    return Kubectl([_program(tmp_path, "kubectl", f'cat "{tmp_path}/$5"')], layout)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a program in the place of nft was given."""
    programs = tmp_path / "programs"
    programs.mkdir()
    _program(programs, "nft", f'echo "$@" > "{tmp_path}/asked"; cat > "{tmp_path}/loaded"')
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return tmp_path / "loaded"


def _program(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_policies_are_applied(
    layout: Layout, kubectl: Kubectl, loaded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One table, and a sentence that says of how much."""
    table.apply(layout, kubectl)
    assert loaded.with_name("asked").read_text() == "-f -\n"
    assert "ip daddr vmap { 10.243.0.2 : jump in-0 }" in loaded.read_text()
    assert "1 policies isolate 1 pods now" in capsys.readouterr().out


def test_a_cluster_that_is_not_ours(layout: Layout, kubectl: Kubectl, loaded: Path) -> None:
    """Its own engine is asked, and this machine's rules stay as they are."""
    with pytest.raises(ClusterError, match="cluster of your own"):
        table.apply(replace(layout, own_kubeconfig="/home/somebody/.kube/config"), kubectl)
    assert not loaded.exists()


def test_a_machine_without_nft(
    layout: Layout, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ClusterError, match="nft is not there"):
        table.apply(layout, kubectl)


def test_policies_are_removed(loaded: Path) -> None:
    """The table as a whole."""
    table.remove()
    assert loaded.read_text() == "table inet amas_netpol\ndelete table inet amas_netpol\n"


def test_policies_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that they are gone."""
    _program(tmp_path, "nft", "echo 'Operation not permitted' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ClusterError, match="Operation not permitted"):
        table.remove()


def test_the_end_of_the_cluster_removes_them(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is left of them would be told."""
    for name in ("nft", "ip"):
        _program(tmp_path, name, f'echo "{name} $@" >> "{tmp_path}/asked"; echo "table inet amas_netpol"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    network.take_down(layout)
    assert "nft delete table inet amas_netpol\n" in (tmp_path / "asked").read_text()
    assert "amas_netpol" in network.remains()
