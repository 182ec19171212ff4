"""`python -m deploy.previous`: chart and images of the release before this one, for the proof that it can be upgraded.

That release is its code: the revision that release.yaml names, taken out of git, builds itself by its own scripts
into the cache, keyed by revision. `out/previous` is a link to what was built.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from deploy.images.store import building

from .build import RELEASE, ROOT, ensure, read_release
from .errors import PreviousError, UnknownRevisionError

NOT_IN_THIS_CLONE = 3
"""Exit code of a clone whose history does not reach so far."""


def main(arguments: list[str] | None = None) -> int:
    """0: it is in out/previous. 1, 130 (interrupted): not, and why on stderr; 3: not: this clone lacks the revision."""
    options = _parser().parse_args(arguments)
    begun = time.monotonic()
    try:
        release = read_release(RELEASE)
        # Its own builder may be one that does not tell others that it builds.
        with building(options.cache / "images"):
            folder = ensure(ROOT, release, options.cache / "previous")
        link(folder, options.out)
    except UnknownRevisionError as error:
        print(f"previous: {error}", file=sys.stderr)
        return NOT_IN_THIS_CLONE
    except PreviousError as error:
        print(f"previous: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("previous: interrupted; nothing half-made is kept, run it again", file=sys.stderr)
        return 130
    print(f"release {release.version} is in {options.out} after {time.monotonic() - begun:.0f} s")
    return 0


def link(folder: Path, place: Path) -> None:
    """Makes `place` a link to the folder, in one step; what else stands there is left alone.

    Raises:
        PreviousError: something that is no link is in its place.
    """
    if place.exists() and not place.is_symlink():
        raise PreviousError(f"{place} is no link of ours: move it away")
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    beside.symlink_to(folder, target_is_directory=True)
    beside.replace(place)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make previous", description=__doc__)
    default = Path(os.environ.get("AMAS_CACHE_DIR") or Path.home() / ".cache/amas")
    parser.add_argument(
        "--cache", type=Path, default=default, help="folder of what is built, and of the images' layers"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out/previous", help="the link")
    return parser


if __name__ == "__main__":
    sys.exit(main())
