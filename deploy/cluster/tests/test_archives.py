"""An image of one program is a docker archive, and always the same."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from amas_test_cluster.archives import write_archive


def test_the_same_program_gives_the_same_image(tmp_path: Path) -> None:
    """Nothing of the machine or the time is in it."""
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    write_archive("registry.local/pause:1", program, tmp_path / "a.tar")
    write_archive("registry.local/pause:1", program, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_digests_name_what_is_there(tmp_path: Path) -> None:
    """The layer and the configuration are found under the digests that the manifest says."""
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    write_archive("registry.local/pause:1", program, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    (manifest,) = json.loads(content["manifest.json"])
    config = json.loads(content[manifest["Config"]])
    (layer,) = manifest["Layers"]
    assert manifest["RepoTags"] == ["registry.local/pause:1"]
    assert manifest["Config"] == hashlib.sha256(content[manifest["Config"]]).hexdigest() + ".json"
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(content[layer]).hexdigest()]
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert config["config"]["User"] == "65532:65532"
