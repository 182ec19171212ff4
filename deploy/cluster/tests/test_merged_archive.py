"""Images that share layers are given to containerd as one archive, each layer once."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import IO

import pytest
from amas_test_cluster.commands import feed
from amas_test_cluster.errors import ClusterError
from amas_test_cluster.merged_archive import references, write_merged

SHARED, OWN = b"of both" * 100, b"of one"


def much(sink: IO[bytes]) -> None:
    """More than a pipe holds."""
    sink.write(b"x" * 10_000_000)


def archive(path: Path, reference: str, layers: dict[str, bytes]) -> Path:
    """A docker archive with these layers."""
    manifest = [{"Config": f"{path.stem}.json", "RepoTags": [reference], "Layers": list(layers)}]
    files = {
        **layers,
        f"{path.stem}.json": b"{}",
        "repositories": b"{}",
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(path, "w") as target:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            target.addfile(entry, io.BytesIO(data))
    return path


def test_each_layer_is_written_once(tmp_path: Path) -> None:
    """Both images are there under their names, what they share once."""
    one = archive(tmp_path / "one.tar", "registry.local/one:1", {"a.tar": SHARED})
    two = archive(tmp_path / "two.tar", "registry.local/two:1", {"a.tar": SHARED, "b.tar": OWN})
    sink = io.BytesIO()
    write_merged([one, two], sink)
    sink.seek(0)
    with tarfile.open(fileobj=sink, mode="r:") as merged:
        content = {name: merged.extractfile(name).read() for name in merged.getnames()}  # type: ignore[union-attr]
        assert sorted(merged.getnames()) == ["a.tar", "b.tar", "manifest.json", "one.json", "two.json"]
    assert content["a.tar"] == SHARED
    assert content["b.tar"] == OWN
    images = json.loads(content["manifest.json"])
    assert [image["RepoTags"] for image in images] == [["registry.local/one:1"], ["registry.local/two:1"]]
    assert references(two) == ["registry.local/two:1"]


@pytest.mark.parametrize("bytes_", [b"", b"no archive at all" * 100])
def test_what_is_no_archive_is_named(tmp_path: Path, bytes_: bytes) -> None:
    """The file and the next step, not a trace."""
    bad = tmp_path / "bad.tar"
    bad.write_bytes(bytes_)
    with pytest.raises(ClusterError, match=r"bad\.tar is no docker archive .*`make images`"):
        write_merged([bad], io.BytesIO())
    with pytest.raises(ClusterError, match=r"bad\.tar is no docker archive"):
        references(bad)


def test_a_layer_that_is_missing_is_named(tmp_path: Path) -> None:
    """An archive that was cut is not half imported in silence."""
    path = archive(tmp_path / "cut.tar", "registry.local/cut:1", {"a.tar": OWN})
    manifest = [{"Config": "cut.json", "RepoTags": [], "Layers": ["gone.tar"]}]
    with tarfile.open(path, "a") as target:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(json.dumps(manifest).encode())
        target.addfile(entry, io.BytesIO(json.dumps(manifest).encode()))
    with pytest.raises(ClusterError, match=r"cut\.tar is no docker archive .*gone\.tar"):
        write_merged([path], io.BytesIO())


def test_a_reader_that_fails_is_told_in_its_words() -> None:
    """What it said, and not that a pipe broke."""
    with pytest.raises(ClusterError, match=r"sh failed \(3\): no room"):
        feed(["sh", "-c", "echo no room >&2; exit 3"], much, timeout=20)


def test_a_reader_that_hangs_is_ended() -> None:
    """Even if its writer waits for it."""
    with pytest.raises(ClusterError, match=r"sleep failed \(-9\)"):
        feed(["sleep", "60"], much, timeout=0.5)
