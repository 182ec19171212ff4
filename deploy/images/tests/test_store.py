"""What killed builds left is cleared, and never under a build that goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.images.buildah import Buildah
from deploy.images.store import building


def test_who_is_alone_clears_and_who_is_not_leaves_it(tmp_path: Path) -> None:
    """The second build's containers would be the first one's."""
    cleared: list[str] = []
    with building(tmp_path / "images", lambda: cleared.append("first")):
        assert cleared == ["first"]
        with building(tmp_path / "images", lambda: cleared.append("second")):
            assert cleared == ["first"]
    with building(tmp_path / "images"), building(tmp_path / "images", lambda: cleared.append("third")):
        assert cleared == ["first"]
    with building(tmp_path / "images", lambda: cleared.append("fourth")):
        assert cleared == ["first", "fourth"]


def test_all_containers_of_our_store_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ours alone: nobody's else are touched."""
    (tmp_path / "buildah").write_text(f'#!/bin/sh\necho "$@" > {tmp_path / "told"}\n')
    (tmp_path / "buildah").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    store = tmp_path / "images"
    Buildah(store).clear()
    assert not (tmp_path / "told").exists(), "there is no store yet"
    (store / "storage").mkdir(parents=True)
    Buildah(store).clear()
    assert (tmp_path / "told").read_text() == f"--root {store}/storage --runroot {store}/run rm --all\n"
