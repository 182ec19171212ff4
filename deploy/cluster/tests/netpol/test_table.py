"""The policies of the moment go to nft in one step, and never those of a cluster that is not ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
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
    assert loaded.with_name("asked").read_text() == "delete table inet amas_netpol\n"
