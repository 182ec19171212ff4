"""Gives containerd the images that `make images` and `make previous` wrote, each once."""

from __future__ import annotations

from pathlib import Path

from . import merged_archive
from .errors import ClusterError
from .files import write
from .layout import Layout
from .node import import_images
from .processes import Processes
from .progress import say, step


def load_images(layout: Layout, *, required: bool = False) -> int:
    """Imports each archive that has changed since it was imported; answers how many there are."""
    archives = [*sorted(layout.images.glob("*.tar")), *sorted(layout.previous_images.glob("*.tar"))]
    if not archives:
        if required:
            raise ClusterError(f"no image in {layout.images}: `make images` builds them")
        say(f"no image in {layout.images} yet: `make images cluster-load`")
        return 0
    if not Processes(layout).running("containerd"):
        raise ClusterError("the cluster is not up: `make cluster-up`")
    changed = [archive for archive in archives if not _is_loaded(layout, archive)]
    if changed:
        with step(f"images {', '.join(archive.stem for archive in changed)}"):
            import_images(layout, changed)
    for archive in changed:
        write(_mark(layout, archive), _state(archive))
    return len(archives)


def references(layout: Layout) -> dict[str, str]:
    """The tag of each image that `make images` wrote, by the image's name (`postgres`); of several, the newest."""
    found: dict[str, str] = {}
    for archive in sorted(layout.images.glob("*.tar"), key=lambda path: path.stat().st_mtime_ns):
        for reference in merged_archive.references(archive):
            name, _, tag = reference.rpartition("/")[2].partition(":")
            found[name] = tag
    return found


def _is_loaded(layout: Layout, archive: Path) -> bool:
    mark = _mark(layout, archive)
    return mark.exists() and mark.read_text() == _state(archive)


def _mark(layout: Layout, archive: Path) -> Path:
    before = "previous-" if archive.parent == layout.previous_images else ""
    return layout.state / "loaded" / f"{before}{archive.name}"


def _state(archive: Path) -> str:
    stat = archive.stat()
    return f"{archive} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
