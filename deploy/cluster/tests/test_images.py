"""Which archives containerd is given, and that it is given each once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from amas_test_cluster import images
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.layout import Layout
from amas_test_cluster.processes import Processes


@pytest.fixture
def checkout(tmp_path: Path) -> Layout:
    """A checkout with an image of its own, and the same image of the release before behind the link."""
    source = tmp_path / "checkout/deploy/cluster"
    layout = Layout(source, tmp_path / "cache", tmp_path / "state", "")
    kept = tmp_path / "cache/previous/abc/images"
    for folder in (source, layout.images, kept):
        folder.mkdir(parents=True)
    layout.previous_images.parent.symlink_to(kept.parent)
    (layout.images / "gateway.tar").write_text("now")
    (kept / "gateway.tar").write_text("before")
    return layout


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a containerd that takes everything was given."""
    given: list[str] = []

    def take(_layout: Layout, archives: Sequence[Path]) -> None:
        given.extend(archive.read_text() for archive in archives)

    monkeypatch.setattr(images, "import_images", take)
    monkeypatch.setattr(Processes, "running", lambda _self, _name: True)
    return given


def test_both_releases_are_loaded_once(checkout: Layout, imported: list[str]) -> None:
    """An image of each release has the same file name: neither is taken for the other, and none is given twice."""
    assert images.load_images(checkout) == 2
    assert images.load_images(checkout) == 2
    assert imported == ["now", "before"]


def test_only_what_was_built_again_is_loaded_again(checkout: Layout, imported: list[str]) -> None:
    """The release before stays as it is."""
    images.load_images(checkout)
    (checkout.images / "gateway.tar").write_text("after a change")
    images.load_images(checkout)
    assert imported == ["now", "before", "after a change"]


def test_without_any_archive_it_is_said_what_to_do(tmp_path: Path) -> None:
    """The next step is in the sentence."""
    with pytest.raises(ClusterError, match="`make images` builds them"):
        images.load_images(Layout(tmp_path / "a/deploy/cluster", tmp_path, tmp_path / "state", ""), required=True)
