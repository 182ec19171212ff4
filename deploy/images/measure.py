"""What an image weighs and how long its program takes to start, measured on the image itself."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from .buildah import Buildah, BuildError
from .plan import Image

# Seconds that a start may take, on a machine that is busy.
_LONGEST = 300.0
_STARTS = 3


@dataclass(frozen=True)
class Layer:
    """One layer: the digest of its content, and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class Measured:
    """What was built and measured."""

    image: Image
    reference: str
    image_id: str
    layers: tuple[Layer, ...]
    start: float | None
    """Seconds; None where it cannot be measured."""
    built: float
    """Seconds that the build took."""

    @property
    def size(self) -> int:
        """Bytes of all layers, not compressed."""
        return sum(layer.size for layer in self.layers)


def layers(archive: Path) -> tuple[Layer, ...]:
    """The layers of a docker-archive, from the first."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        if manifest is None:
            raise BuildError(f"{archive} is no docker-archive")
        described = json.load(manifest)[0]
        config = tar.extractfile(described["Config"])
        if config is None:
            raise BuildError(f"{archive} has no configuration")
        digests = json.load(config)["rootfs"]["diff_ids"]
        sizes = [_size(tar, name) for name in described["Layers"]]
    return tuple(Layer(digest, size) for digest, size in zip(digests, sizes, strict=True))


def _size(tar: tarfile.TarFile, name: str) -> int:
    member = tar.getmember(name)
    # The same layer twice is a link to the first.
    return tar.getmember(member.linkname.removeprefix("../")).size if member.issym() else member.size


def start_time(buildah: Buildah, reference: str, image: Image) -> float | None:
    """Seconds from the start of the image's program to its end, the best of a few, as its user in its own file system.

    Services are started without settings: they load all that they need and then say which settings are missing. Needs
    root (a chroot); None without.

    Raises:
        BuildError: the program does not start.
    """
    if os.geteuid() != 0:
        return None
    configuration = buildah.inspect(reference)["Docker"]["config"]
    container = buildah.run("from", reference, quiet=True).strip()
    try:
        root = buildah.run("mount", container, quiet=True).strip()
        command = ["chroot", f"--userspec={configuration['User']}", root, *configuration["Entrypoint"], *image.probe]
        environment = dict(entry.split("=", 1) for entry in configuration.get("Env") or ())
        return min(_start(command, environment, expected=0 if image.probe else 2) for _ in range(_STARTS))
    finally:
        buildah.run("rm", container, quiet=True)


def _start(command: list[str], environment: dict[str, str], *, expected: int) -> float:
    begun = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603 -- the image's own entrypoint
            command, check=False, capture_output=True, text=True, env=environment, timeout=_LONGEST, cwd="/"
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{' '.join(command[3:])} has not started within {_LONGEST:.0f} s") from error
    taken = time.perf_counter() - begun
    if done.returncode != expected:
        raise BuildError(
            f"{' '.join(command[3:])} ended with {done.returncode}: {(done.stderr or done.stdout)[-1500:]}"
        )
    return taken


def table(rows: list[Measured]) -> str:
    """A table of what was built, and what all of it weighs when each layer is counted once."""
    lines = [f"{'image':<26} {'MB':>6} {'own MB':>7} {'layers':>6} {'start s':>8} {'build s':>8}  digest"]
    seen: set[str] = set()
    for row in rows:
        own = sum(layer.size for layer in row.layers if layer.digest not in seen)
        seen.update(layer.digest for layer in row.layers)
        start = "-" if row.start is None else f"{row.start:.2f}"
        name = row.reference.rpartition("/")[2]
        lines.append(
            f"{name:<26} {row.size / 1e6:>6.0f} {own / 1e6:>7.0f} {len(row.layers):>6} {start:>8} {row.built:>8.1f}  "
            f"{row.image_id}"
        )
    sizes = {layer.digest: layer.size for row in rows for layer in row.layers}
    lines.append(
        f"all layers, each once: {sum(sizes.values()) / 1e6:.0f} MB; `own MB` is what an image adds to those above"
    )
    return "\n".join(lines)
