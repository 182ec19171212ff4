"""The release before this one comes out of git, whole or with a sentence that says what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.previous import __main__ as command
from deploy.previous import build
from deploy.previous.build import IMAGES, RELEASE, ROOT, PreviousRelease, ensure, read_release, take_out
from deploy.previous.errors import PreviousError, UnknownRevisionError

# A release of its own: the builders write what a release has, and note that they ran.
CHART = "apiVersion: v2\nname: amas\nversion: 1.0.0\n"
CHART_BUILDER = """#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p out/charts
cp -r charts/amas out/charts/amas
echo ran >> "$RAN"
"""
IMAGE_BUILDER = """
import argparse
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("names", nargs="*")
parser.add_argument("--tag")
parser.add_argument("--no-start", action="store_true")
parser.add_argument("--out", type=Path)
options = parser.parse_args()
options.out.mkdir(parents=True)
for name in options.names:
    (options.out / f"{name}.tar").write_text(f"{name}:{options.tag}")
"""


def git(folder: Path, *arguments: str) -> str:
    """What git said in a folder, as somebody whom no configuration knows."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a release 1.0.0 and a commit after it."""
    folder = tmp_path / "clone"
    for path, content in {
        "charts/amas/Chart.yaml": CHART,
        "scripts/build_charts.sh": CHART_BUILDER,
        "deploy/images/__main__.py": IMAGE_BUILDER,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    (folder / "scripts/build_charts.sh").chmod(0o755)
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "1.0.0")
    (folder / "charts/amas/Chart.yaml").write_text(CHART.replace("1.0.0", "1.1.0"))
    git(folder, "commit", "--quiet", "--all", "--message", "1.1.0")
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    return folder


@pytest.fixture
def release(clone: Path) -> PreviousRelease:
    """The release before the newest commit."""
    return PreviousRelease("1.0.0", git(clone, "rev-parse", "HEAD~1"))


def test_the_release_builds_itself_once(clone: Path, release: PreviousRelease, tmp_path: Path) -> None:
    """Chart and images are those of the revision, tagged by its version; a second call builds nothing."""
    for _ in range(2):
        folder = ensure(clone, release, tmp_path / "cache")
    assert (folder / "charts/amas/Chart.yaml").read_text() == CHART
    assert [path.read_text() for path in release.images(folder)] == [f"{name}:1.0.0" for name in IMAGES]
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"lock", release.revision}


def test_what_is_not_whole_is_built_again(clone: Path, release: PreviousRelease, tmp_path: Path) -> None:
    """A folder that lacks an image is none."""
    (ensure(clone, release, tmp_path / "cache") / "images/cli.tar").unlink()
    assert release.is_in(ensure(clone, release, tmp_path / "cache"))


def test_a_builder_that_fails_leaves_nothing(clone: Path, tmp_path: Path) -> None:
    """The sentence has the builder's last words, and the next call begins anew."""
    (clone / "deploy/images/__main__.py").write_text("raise SystemExit('no base')")
    git(clone, "commit", "--quiet", "--all", "--message", "broken")
    broken = PreviousRelease("1.1.0", git(clone, "rev-parse", "HEAD"))
    with pytest.raises(PreviousError, match="its images do not build: no base"):
        ensure(clone, broken, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_what_a_killed_build_left_is_cleared(clone: Path, release: PreviousRelease, tmp_path: Path) -> None:
    """Nobody else would: it is as large as a release."""
    (tmp_path / "cache/.building-killed/built").mkdir(parents=True)
    folder = ensure(clone, release, tmp_path / "cache")
    assert release.is_in(folder)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"lock", release.revision}


def test_an_interrupted_build_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a stack trace, and no link to what is not whole."""

    def interrupted(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ensure", interrupted)
    assert command.main(["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.startswith("previous: interrupted")
    assert not (tmp_path / "out").exists()


def test_a_shallow_clone_is_told_what_to_fetch(
    clone: Path,
    release: PreviousRelease,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It lacks the revision: its own exit code, and the next step."""
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{clone}", str(shallow))
    with pytest.raises(UnknownRevisionError, match="git fetch --unshallow"):
        take_out(shallow, release, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    monkeypatch.setattr(command, "ROOT", shallow)
    monkeypatch.setattr(command, "read_release", lambda _path: release)
    arguments = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    assert command.main(arguments) == command.NOT_IN_THIS_CLONE
    assert "release 1.0.0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_clone_at_all_is_told_so(release: PreviousRelease, tmp_path: Path) -> None:
    """Code that was unpacked from an archive has no history."""
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(PreviousError, match="this is no clone of it"):
        take_out(tmp_path / "unpacked", release, tmp_path / "tree")


def test_another_version_than_the_revisions_is_refused(clone: Path, release: PreviousRelease, tmp_path: Path) -> None:
    """Whoever renews the file and forgets half of it is told which half."""
    with pytest.raises(PreviousError, match=r"is version 1\.0\.0, not 0\.9\.0: correct deploy/previous/release\.yaml"):
        take_out(clone, PreviousRelease("0.9.0", release.revision), tmp_path / "tree")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("version: 1.0.0\n", "must have `version` and `revision`"),
        ("version: 1.0.0\nrevision: main\n", "40 hexadecimal digits, not 'main'"),
        ("version: v1\nrevision: " + "a" * 40, "SemVer"),
        ("version: [", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, content: str, said: str) -> None:
    """Each fault in a sentence."""
    (tmp_path / "release.yaml").write_text(content)
    with pytest.raises(PreviousError, match=said):
        read_release(tmp_path / "release.yaml")


def test_the_release_is_older_than_this_one() -> None:
    """An upgrade from a version to itself would prove nothing: a new release names the one before it."""
    current = build.chart_version(ROOT)
    assert ordered(read_release(RELEASE).version) < ordered(current)


def test_the_link_takes_the_place_of_a_link_alone(tmp_path: Path) -> None:
    """A folder that somebody made is not lost."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        command.link(tmp_path / name, tmp_path / "out/previous")
        assert (tmp_path / "out/previous").resolve() == tmp_path / name
    (tmp_path / "own").mkdir()
    with pytest.raises(PreviousError, match="is no link of ours"):
        command.link(tmp_path / "one", tmp_path / "own")


def ordered(version: str) -> tuple[int, ...]:
    """The numbers of a version."""
    return tuple(int(part) for part in version.partition("-")[0].split("."))
