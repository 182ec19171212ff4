"""Which images there are, and what is put beside their Dockerfiles before they are built."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .buildah import BuildError

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
REGISTRY = "registry.local/amas"


@dataclass(frozen=True)
class Image:
    """One image: its name, its Dockerfile, and for those that hold a program from outside, how that is fetched."""

    name: str
    dockerfile: Path
    for_tests: bool = False
    program: Callable[[Path, Path], None] | None = None
    """Puts the program into a folder (first argument), which is then the context; the second is the cache."""
    on: str | None = None
    """The image that this one is a thin layer on, and in which way it is another."""
    variant: str = ""
    probe: tuple[str, ...] = ()
    """Arguments of the start that is measured; none: a start without settings, which says what is missing."""

    def reference(self, tag: str) -> str:
        """Its name in a registry."""
        name, _, variant = self.name.partition(":")
        return f"{REGISTRY}/{name}:{variant or tag}"

    @property
    def archive(self) -> str:
        """Name of its file."""
        return f"{self.name.replace(':', '-')}.tar"


def _opa(folder: Path, cache: Path) -> None:
    _run([str(ROOT / "scripts/ensure_opa.sh"), str(cache)])
    kept = cache / "bin/opa"
    found = str(kept) if kept.exists() else shutil.which("opa")
    if found is None:
        raise BuildError("there is no OPA in the cache; run `make opa`")
    shutil.copy2(found, folder / "opa")


def _pause(folder: Path, _cache: Path) -> None:
    if shutil.which("gcc") is None:
        raise BuildError("the pause image needs gcc (Debian: apt-get install gcc libc6-dev)")
    _run(
        ["gcc", "-Os", "-static", "-s", "-Wl,--build-id=none", "-o", str(folder / "pause"), str(HERE / "pause/pause.c")]
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 -- fixed programs
    if done.returncode != 0:
        raise BuildError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-600:]}")


def _service(name: str) -> Image:
    return Image(name, ROOT / "services" / name / "Dockerfile")


def _bad(name: str, variant: str) -> Image:
    return Image(f"{name}:bad-{variant}", HERE / "bad/Dockerfile", for_tests=True, on=name, variant=variant)


def _next(name: str) -> Image:
    return Image(f"{name}:next", HERE / "next/Dockerfile", for_tests=True, on=name, variant="next")


IMAGES = (
    *(_service(name) for name in ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit")),
    Image("cli", ROOT / "cli/Dockerfile", probe=("--help",)),
    Image("operator", ROOT / "amas-operator/Dockerfile"),
    Image("witness", ROOT / "witness/Dockerfile", probe=("--help",)),
    Image("opa", HERE / "opa/Dockerfile", program=_opa, probe=("version",)),
    Image("postgres", HERE / "postgres/Dockerfile", for_tests=True),
    Image("valkey", HERE / "valkey/Dockerfile", for_tests=True),
    Image("mcp-workspace", HERE / "mcp-workspace/Dockerfile", for_tests=True, probe=("--help",)),
    Image("pause", HERE / "pause/Dockerfile", for_tests=True, program=_pause, probe=("--version",)),
    *(_next(name) for name in ("gateway", "orchestrator", "ai-router", "audit")),
    _bad("ai-router", "errors"),
    _bad("ai-router", "latency"),
    _bad("orchestrator", "cost"),
)


def chosen(names: list[str]) -> list[Image]:
    """The images of these names, in the order in which they are built; without names all of them.

    Raises:
        BuildError: there is no image of a name.
    """
    known = {image.name for image in IMAGES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BuildError(f"there is no image {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [image for image in IMAGES if not names or image.name in names]
