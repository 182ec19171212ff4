"""`python -m deploy.images [NAME…]`: builds images into out/images/NAME.tar and says what they weigh.

Bases are local ones from Debian packages, unless BUILD_BASE and RUNTIME_BASE name others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amas_test_cluster import packages
from amas_test_cluster.errors import ClusterError

from . import bases, measure
from .buildah import Buildah, BuildError
from .debs import PackageError
from .plan import REGISTRY, ROOT, Image, chosen
from .store import building

# (program, Debian package that has it)
BUILDER = (("buildah", "buildah"), ("runc", "runc"))


def main(arguments: list[str] | None = None) -> int:
    """0: built. 1, 130 (interrupted): not, and why on stderr."""
    options = _parser().parse_args(arguments)
    try:
        # Without root the builder's own sentence is better: it knows of another way.
        packages.ensure(packages.missing(BUILDER) if os.geteuid() == 0 else ())
    except ClusterError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    cache = options.cache / "images"
    buildah = Buildah(cache)
    begun = time.monotonic()
    try:
        images = chosen(options.names)
        with building(cache, lambda: _clear(buildah)):
            given = _bases(buildah, cache)
            rows = [_built(buildah, image, given, options) for image in images]
    except (BuildError, PackageError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("images: interrupted; layers that are whole stay in the cache, run it again", file=sys.stderr)
        return 130
    print(measure.table(rows))
    print(f"{len(rows)} images in {options.out} after {time.monotonic() - begun:.0f} s")
    return 0


def _clear(buildah: Buildah) -> None:
    try:
        buildah.clear()
    except BuildError as error:
        # It takes room, and hinders no build.
        print(f"images: what killed builds left could not be cleared: {error}", file=sys.stderr)


def _built(buildah: Buildah, image: Image, given: dict[str, str], options: argparse.Namespace) -> measure.Measured:
    reference = image.reference(options.tag)
    print(f"building {reference}", flush=True)
    begun = time.monotonic()
    facts = _facts(options.version or options.tag)
    arguments = given
    if image.on is not None:
        arguments = {"GOOD": f"{REGISTRY}/{image.on}:{options.tag}", "VARIANT": image.variant}
    built = _build(buildah, reference, image, arguments, facts, options.cache, cached=True)
    if options.twice:
        again = _build(buildah, reference, image, arguments, facts, options.cache, cached=False)
        if again != built:
            raise BuildError(f"two builds of {reference} differ: {built} and {again}")
        print(f"built twice, the same: {built}")
    taken = time.monotonic() - begun
    archive = options.out / image.archive
    buildah.export(reference, archive)
    start = None if options.no_start else measure.start_time(buildah, reference, image)
    return measure.Measured(image, reference, built, measure.layers(archive), start, taken)


def _build(
    buildah: Buildah,
    reference: str,
    image: Image,
    arguments: dict[str, str],
    facts: dict[str, str],
    cache: Path,
    *,
    cached: bool,
) -> str:
    if image.program is None:
        return buildah.build(reference, image.dockerfile, ROOT, arguments, facts, cached=cached)
    with tempfile.TemporaryDirectory(prefix="amas-image-") as folder:
        image.program(Path(folder), cache)
        return buildah.build(reference, image.dockerfile, Path(folder), arguments, facts, cached=cached)


def _bases(buildah: Buildah, cache: Path) -> dict[str, str]:
    named = {name: os.environ[name] for name in ("BUILD_BASE", "RUNTIME_BASE") if os.environ.get(name)}
    return named if len(named) == 2 else {**bases.prepare(buildah, cache), **named}


def _facts(version: str) -> dict[str, str]:
    """What the labels say: version, and revision and time of the commit."""
    command = ["git", "-C", str(ROOT), "show", "-s", "--format=%H %cI", "HEAD"]
    shown = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 -- fixed command
    revision, _, created = shown.stdout.strip().partition(" ")
    facts = {"VERSION": version}
    if revision and created:
        facts |= {"REVISION": revision, "CREATED": created}
    return facts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make images", description=__doc__)
    parser.add_argument("names", nargs="*", help="images (default: all)")
    parser.add_argument("--tag", default="dev", help="tag of the images (default: dev)")
    parser.add_argument("--version", default="", help="version that the labels name (default: the tag)")
    parser.add_argument("--out", type=Path, default=ROOT / "out/images", help="folder of the archives")
    parser.add_argument("--twice", action="store_true", help="build once more without a cache and compare digests")
    parser.add_argument("--no-start", action="store_true", help="do not measure how long programs take to start")
    default = Path(os.environ.get("AMAS_CACHE_DIR") or Path.home() / ".cache/amas")
    parser.add_argument("--cache", type=Path, default=default, help="folder of bases and layers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
