"""Makes an image of one static program without a builder: a docker archive that containerd imports, always the same."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

# An image says when it was made; ours say the same, so that the same program gives the same image.
CREATED = "2026-01-01T00:00:00Z"


def write_archive(reference: str, program: Path, target: Path) -> None:
    """Writes an image with nothing but `program`, at the root, as its entrypoint, run by user 65532."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {"Entrypoint": [f"/{program.name}"], "User": "65532:65532", "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": CREATED, "created_by": "amas_test_cluster"}],
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}]
    content = {name: config, f"{digest}/layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}")
    beside.write_bytes(_tar({path: (data, 0o644) for path, data in content.items()}))
    beside.replace(target)


def _tar(members: dict[str, tuple[bytes, int]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, (data, mode) in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
