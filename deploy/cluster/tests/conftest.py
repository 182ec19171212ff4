"""A layout in a temporary folder, so that no test touches the machine's cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_test_cluster.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Folders of a cluster that does not exist."""
    return Layout(
        source=Path(__file__).resolve().parents[1],
        cache=tmp_path / "cache",
        state=tmp_path / "state",
        own_kubeconfig="",
    )
