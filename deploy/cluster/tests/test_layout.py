"""Where things are is decided by three variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_test_cluster.layout import Layout


def test_a_foreign_kubeconfig_is_the_users_own_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """KUBECONFIG chooses the user's cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "mine"))
    layout = Layout.from_environment()
    assert layout.own_kubeconfig == str(tmp_path / "mine")
    assert layout.kubeconfig == tmp_path / "mine"


def test_our_own_kubeconfig_is_not_foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever exported what `make cluster-up` told them can still take the cluster down."""
    monkeypatch.setenv("AMAS_CLUSTER_DIR", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "admin.kubeconfig"))
    layout = Layout.from_environment()
    assert layout.own_kubeconfig == ""
    assert layout.kubeconfig == tmp_path / "admin.kubeconfig"


def test_a_folder_behind_a_link_is_named_as_the_kernel_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else its mounts were not found at the end; the kubeconfig is ours by either name."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    monkeypatch.setenv("AMAS_CLUSTER_DIR", str(tmp_path / "data/cluster"))
    for way in ("data", "disk"):
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / way / "cluster/admin.kubeconfig"))
        layout = Layout.from_environment()
        assert layout.state == tmp_path.resolve() / "disk/cluster"
        assert layout.own_kubeconfig == ""


def test_sockets_fit_into_a_unix_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default folder leaves room for the longest socket below it (107 bytes, unix(7))."""
    monkeypatch.delenv("AMAS_CLUSTER_DIR", raising=False)
    longest = Layout.from_environment().state / "kubelet/device-plugins" / f"{'x' * 24}.sock"
    assert len(str(longest)) < 107
