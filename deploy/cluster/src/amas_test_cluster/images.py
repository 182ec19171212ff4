"""Gives containerd the images that `make images` wrote, each once."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from .errors import ClusterError
from .files import write
from .layout import Layout
from .node import import_image
from .processes import Processes
from .progress import say, step


def load_images(layout: Layout, *, required: bool = False) -> int:
    """Imports each archive that has changed since it was imported; answers how many there are."""
    archives = sorted(layout.images.glob("*.tar"))
    if not archives:
        if required:
            raise ClusterError(f"no image in {layout.images}: `make images` builds them")
        say(f"no image in {layout.images} yet: `make images cluster-load`")
        return 0
    if not Processes(layout).running("containerd"):
        raise ClusterError("the cluster is not up: `make cluster-up`")
    for archive in archives:
        _load(layout, archive)
    return len(archives)


def references(layout: Layout) -> dict[str, str]:
    """The tag of each image that `make images` wrote, by the image's name (`postgres`); of several, the newest."""
    found: dict[str, str] = {}
    for archive in sorted(layout.images.glob("*.tar"), key=lambda path: path.stat().st_mtime_ns):
        for reference in _references(archive):
            name, _, tag = reference.rpartition("/")[2].partition(":")
            found[name] = tag
    return found


def _references(archive: Path) -> list[str]:
    """What a docker archive calls its images (`RepoTags` of its manifest.json)."""
    try:
        with tarfile.open(archive, "r:") as content:
            stream = content.extractfile("manifest.json")
            manifest = json.load(stream) if stream else []
        return [reference for image in manifest for reference in image["RepoTags"] or []]
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise ClusterError(f"{archive} is no docker archive ({error}); build it again: `make images`") from error


def _load(layout: Layout, archive: Path) -> None:
    stat = archive.stat()
    mark = layout.state / "loaded" / archive.name
    state = f"{archive} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
    if mark.exists() and mark.read_text() == state:
        return
    with step(f"image {archive.stem}, {stat.st_size / 1e6:.0f} MB"):
        import_image(layout, archive)
    write(mark, state)
