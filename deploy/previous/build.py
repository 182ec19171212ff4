"""Takes a release's code out of git and lets it build its own chart and images, once, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from .errors import PreviousError, UnknownRevisionError

ROOT = Path(__file__).resolve().parents[2]
RELEASE = Path(__file__).resolve().parent / "release.yaml"
IMAGES = ("gateway", "orchestrator", "ai-router", "policy-sidecar", "audit", "cli", "opa")
"""What the umbrella's pods run."""
BUILDING = ".building-"
"""Begins the name of a folder in which a release is made."""


@dataclass(frozen=True)
class PreviousRelease:
    """A release: the version of its charts, which is its images' tag too, and the revision that it was made of."""

    version: str
    revision: str

    def images(self, folder: Path) -> list[Path]:
        """The docker-archives that belong to it below its folder."""
        return [folder / "images" / f"{name}.tar" for name in IMAGES]

    def is_in(self, folder: Path) -> bool:
        """Whether everything of it is there."""
        return all(one.is_file() for one in (*self.images(folder), folder / "charts/amas/Chart.yaml"))


def read_release(path: Path) -> PreviousRelease:
    """Reads the file that names the release.

    Raises:
        PreviousError: it is not `version` and `revision`.
    """
    try:
        content = YAML(typ="safe").load(path.read_text())
    except (OSError, YAMLError) as error:
        raise PreviousError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or set(content) != {"version", "revision"}:
        raise PreviousError(f"{path} must have `version` and `revision`, and nothing else")
    release = PreviousRelease(str(content["version"]), str(content["revision"]))
    if not re.fullmatch(r"[0-9a-f]{40}", release.revision):
        raise PreviousError(f"{path}: the revision must be a commit's 40 hexadecimal digits, not {release.revision!r}")
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", release.version):
        raise PreviousError(f"{path}: the version must be one like 1.2.3 (SemVer 2.0.0), not {release.version!r}")
    return release


def ensure(repository: Path, release: PreviousRelease, cache: Path) -> Path:
    """The folder with `charts/amas` and `images/*.tar` of the release, built if it is not there.

    Raises:
        UnknownRevisionError: this clone lacks the revision.
        PreviousError: it cannot be taken out, is another version, or does not build.
    """
    folder = cache / release.revision
    if release.is_in(folder):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache), tempfile.TemporaryDirectory(prefix=BUILDING, dir=cache) as work:
        if release.is_in(folder):  # by whom we waited for
            return folder
        # Nobody else builds, since we have the lock: what stands beside ours was left by a build that was killed.
        for left in set(cache.glob(f"{BUILDING}*")) - {Path(work)}:
            shutil.rmtree(left, ignore_errors=True)
        tree, built = Path(work) / "tree", Path(work) / "built"
        take_out(repository, release, tree)
        print(f"building release {release.version} of {release.revision[:12]}", flush=True)
        _build(tree, built, release)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(built, folder)
    return folder


def take_out(repository: Path, release: PreviousRelease, tree: Path) -> None:
    """Writes the revision's files into a new folder.

    Raises:
        UnknownRevisionError: this clone lacks the revision.
        PreviousError: there is no clone, or the revision's chart is of another version.
    """
    git = ("git", "-C", str(repository))
    _run([*git, "rev-parse", "--git-dir"], f"release {release.version} is taken out of git, and this is no clone of it")
    found = subprocess.run(  # noqa: S603 -- a fixed program, and a revision of 40 digits
        [*git, "cat-file", "-e", f"{release.revision}^{{commit}}"], check=False, capture_output=True
    )
    if found.returncode != 0:
        raise UnknownRevisionError(
            f"this clone has no revision {release.revision} (release {release.version}): it is shallow, or too old; "
            "fetch the rest (git fetch --unshallow, or git fetch)"
        )
    tree.mkdir(parents=True)
    archive = tree.with_suffix(".tar")
    _run([*git, "archive", "--format=tar", f"--output={archive}", release.revision], "git archive failed")
    with tarfile.open(archive) as files:
        files.extractall(tree, filter="data")
    archive.unlink()
    version = chart_version(tree)
    if version != release.version:
        raise PreviousError(
            f"the chart of revision {release.revision} is version {version}, not {release.version}: "
            f"correct {RELEASE.relative_to(ROOT)}"
        )


def chart_version(tree: Path) -> str:
    """Version of the umbrella chart of a checkout."""
    return str(YAML(typ="safe").load((tree / "charts/amas/Chart.yaml").read_text())["version"])


def _build(tree: Path, built: Path, release: PreviousRelease) -> None:
    _run([str(tree / "scripts/build_charts.sh")], "its chart does not build (`make helm` builds Helm)", cwd=tree)
    shutil.copytree(tree / "out/charts/amas", built / "charts/amas")
    # The layers that both releases share come out of the builder's own cache, which stands where it always does.
    images = [sys.executable, "-m", "deploy.images", *IMAGES, "--tag", release.version, "--no-start"]
    _run([*images, "--out", str(built / "images")], "its images do not build", cwd=tree, shown=True)


def _run(command: Sequence[str], failure: str, *, cwd: Path | None = None, shown: bool = False) -> None:
    try:
        done = subprocess.run(  # noqa: S603 -- fixed programs
            command, check=False, cwd=cwd, stdout=None if shown else subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        raise PreviousError(f"{failure}: {error}") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout or "").strip()[-1500:]
        raise PreviousError(f"{failure}: {words}")


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """One build at a time, whoever asks."""
    with (cache / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
