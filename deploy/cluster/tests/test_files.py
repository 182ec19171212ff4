"""Templates are filled in whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.files import render, write

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests"


def test_a_placeholder_without_a_value_is_an_error(tmp_path: Path) -> None:
    """Half a manifest is never applied."""
    template = write(tmp_path / "a.yaml", "image: ${image}\n")
    assert render(template, image="one") == "image: one\n"
    with pytest.raises(ClusterError, match="no value for placeholder 'image'"):
        render(template)


def test_secrets_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    """The mode holds from the first byte, and nothing is left beside the file."""
    path = write(tmp_path / "key", b"x", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
