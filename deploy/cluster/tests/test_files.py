"""Templates are filled in whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from amas_test_cluster.cgroups import pod_cgroups
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.files import render, write


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


@pytest.mark.parametrize("tops", [["kubepods"], ["cpu/kubepods", "memory/kubepods"]])
def test_cgroups_of_pods_are_found_in_both_hierarchies(tmp_path: Path, tops: list[str]) -> None:
    """Version 2 has one top, version 1 one a controller; what is not found would stay behind."""
    for top in tops:
        (tmp_path / top / "besteffort").mkdir(parents=True)
    (tmp_path / "system.slice").mkdir()
    assert pod_cgroups(tmp_path) == [tmp_path / top for top in tops]
