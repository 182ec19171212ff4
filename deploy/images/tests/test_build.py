"""What is said to the builder, and what is read of its archives."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from deploy.images.buildah import BuildError, with_facts
from deploy.images.measure import Layer, Measured, layers, table
from deploy.images.plan import IMAGES, chosen


def archive(path: Path, contents: list[bytes]) -> None:
    """A docker-archive with these layers."""
    names = [f"{number}.tar" for number in range(len(contents))]
    config = {"rootfs": {"diff_ids": [f"sha256:{len(content)}" for content in contents]}}
    files = {
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["a:b"], "Layers": names}]).encode(),
        "c.json": json.dumps(config).encode(),
        **dict(zip(names, contents, strict=True)),
    }
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_facts_change_the_text_of_labels() -> None:
    """A label of an earlier build is not taken from a cache: its instruction reads otherwise."""
    text = 'ARG REVISION=unknown\nLABEL a="${REVISION}" b="${OTHER}"\n'
    assert with_facts(text, {"REVISION": "abc"}) == 'ARG REVISION=unknown\nLABEL a="abc" b="${OTHER}"\n'


def test_a_layer_that_images_share_is_counted_once(tmp_path: Path) -> None:
    """`own MB` is what an image adds to those above it, and the sum counts no layer twice."""
    rows = []
    for name, contents in (("one", [b"x" * 3_000_000]), ("two", [b"x" * 3_000_000, b"y" * 2_000_000])):
        archive(tmp_path / name, contents)
        rows.append(Measured(IMAGES[0], f"r/{name}:t", "sha256:0", layers(tmp_path / name), None, 1.0))
    assert rows[1].layers == (Layer("sha256:3000000", 3_000_000), Layer("sha256:2000000", 2_000_000))
    _, _, second, total = table(rows).splitlines()
    assert second.split()[:4] == ["two:t", "5", "2", "2"]
    assert total.startswith("all layers, each once: 5 MB")


def test_an_unknown_image_is_an_error() -> None:
    """Nothing is built when one of the names is wrong."""
    with pytest.raises(BuildError, match="there is no image gatway"):
        chosen(["audit", "gatway"])
    assert [image.name for image in chosen(["audit", "gateway"])] == ["gateway", "audit"]
