"""workspace: files inside one folder, whole writes, quotas; nothing outside is reached, whatever the path."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from amas_workspace_server import workspace as module
from amas_workspace_server.jail import PathRefused
from amas_workspace_server.limits import Limits
from amas_workspace_server.workspace import Refused, Workspace

MIN_ATTEMPTS, MAX_ATTEMPTS = 300, 20_000
LIMITS = Limits(max_bytes=1000, max_files=5, max_file_bytes=400)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the workspace, beside a secret that must not be reached."""
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def workspace(root: Path) -> Iterator[Workspace]:
    """A small workspace."""
    opened = Workspace(root, LIMITS)
    yield opened
    opened.close()


def test_what_is_written_can_be_read(workspace: Workspace, root: Path) -> None:
    """Folders are made on the way, and the answer says what changed."""
    first = workspace.write("docs/notes.md", "# Notes é\n")
    assert (first.path, first.bytes, first.changed, first.created) == ("docs/notes.md", 11, True, True)
    assert workspace.read("docs/notes.md") == "# Notes é\n"
    again = workspace.write("docs//./notes.md", "# Notes é\n")
    assert (again.path, again.changed, again.created) == ("docs/notes.md", False, False)
    assert workspace.write("docs/notes.md", "other").changed
    assert [entry.path for entry in workspace.list("docs")] == ["docs/notes.md"]
    assert workspace.stat("docs").type == "folder"
    workspace.delete("docs/notes.md")
    assert list((root / "docs").iterdir()) == []


HOSTILE = [
    "",
    "/etc/passwd",
    "..",
    "../secret.txt",
    "a/../../secret.txt",
    "..\\secret.txt",
    "a\x00b",
    "a\nb",
    "x" * 2000,
    "a/" * 40 + "b",
    ".git/config",
    "sub/.git/hooks/pre-commit",
    ".GIT/config",
    ".git",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_refused_by_every_tool(workspace: Workspace, root: Path, path: str) -> None:
    """Absolute paths, `..`, control characters, depth and Git's insides are refused before anything is opened."""
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("token")
    for call in (workspace.read, workspace.list, workspace.stat, workspace.delete):
        with pytest.raises(PathRefused):
            call(path)
    with pytest.raises(PathRefused):
        workspace.write(path, "x")
    assert (root / ".git" / "config").read_text() == "token"


@pytest.mark.parametrize("target", ["../secret.txt", "/etc/hostname", "inside.txt"])
def test_links_to_files_are_never_followed(workspace: Workspace, root: Path, target: str) -> None:
    """A symbolic link is neither read nor written through, wherever it points."""
    (root / "inside.txt").write_text("inside")
    (root / "link").symlink_to(target)
    for call in (workspace.read, workspace.stat, workspace.delete):
        with pytest.raises(PathRefused):
            call("link")
    with pytest.raises(PathRefused):
        workspace.write("link", "overwritten")
    assert (root.parent / "secret.txt").read_text() == "outside"
    assert (root / "inside.txt").read_text() == "inside"
    assert "link" not in [entry.path for entry in workspace.list(".")]


def test_links_to_folders_are_never_followed(workspace: Workspace, root: Path) -> None:
    """No part of a path may be a link, neither for reading nor for making folders below it."""
    (root / "link").symlink_to("../outside")
    for call in (workspace.list, workspace.read):
        with pytest.raises(PathRefused):
            call("link/x.txt")
    with pytest.raises(PathRefused):
        workspace.list("link")
    for path in ("link/x.txt", "link/new/x.txt"):
        with pytest.raises(PathRefused):
            workspace.write(path, "x")
    assert list((root.parent / "outside").iterdir()) == []


def swap_for_a_link(root: Path, done: threading.Event) -> None:
    """Puts a link to the outside where the folder `real` is, and the folder back, until `done`."""
    real, parked = root / "real", root / "parked"
    while not done.is_set():
        # The other side may make `real` anew in between, so that any of these may fail.
        for step in (
            lambda: real.rename(parked),
            lambda: real.symlink_to("../outside"),
            lambda: real.unlink(),
            lambda: parked.rename(real),
        ):
            with contextlib.suppress(OSError):
                step()
        shutil.rmtree(parked, ignore_errors=True)


def test_a_folder_that_turns_into_a_link_lets_nothing_out(root: Path) -> None:
    """While somebody swaps a folder for a link again and again, no write ever lands outside."""
    workspace = Workspace(root, Limits())
    (root / "real").mkdir()
    done = threading.Event()
    swapper = threading.Thread(target=swap_for_a_link, args=(root, done))
    swapper.start()
    written = refused = 0
    try:
        for number in range(MAX_ATTEMPTS):
            try:
                workspace.write("real/file.txt", f"{number}")
                written += 1
            except (PathRefused, Refused):
                refused += 1
            if number >= MIN_ATTEMPTS and written and refused:
                break
    finally:
        done.set()
        swapper.join()
        workspace.close()
    assert written
    assert refused
    assert list((root.parent / "outside").iterdir()) == []


def test_a_pipe_or_a_folder_is_no_file(workspace: Workspace, root: Path) -> None:
    """Opening a named pipe neither hangs nor reads, and a folder is said to be one."""
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    for path in ("pipe", "folder", "."):
        with pytest.raises(PathRefused):
            workspace.read(path)
        with pytest.raises(PathRefused):
            workspace.write(path, "x")


def test_quotas_hold_for_the_whole_workspace(workspace: Workspace, root: Path) -> None:
    """Bytes of all files, number of files, and bytes of one file are bounded; what is refused changes nothing."""
    (root / ".git").mkdir()
    (root / ".git" / "big").write_bytes(b"x" * 5000)  # Git's own insides do not count
    with pytest.raises(Refused, match="at most 400 bytes"):
        workspace.write("big", "é" * 201)
    for number in range(2):
        workspace.write(f"f{number}", "x" * 400)
    with pytest.raises(Refused, match="more than 1000 bytes"):
        workspace.write("f2", "x" * 201)
    workspace.write("f2", "x" * 200)
    workspace.write("f1", "x" * 10)  # shrinking is always possible
    workspace.write("f3", "")
    workspace.write("f4", "")
    with pytest.raises(Refused, match="more than 5 files"):
        workspace.write("f5", "")
    workspace.write("f4", "replacing needs no new file")
    assert sorted(entry.path for entry in workspace.list(".")) == ["f0", "f1", "f2", "f3", "f4"]


def test_files_that_were_there_before_count(root: Path) -> None:
    """A restart gives no new quota."""
    (root / "old").write_bytes(b"x" * 990)
    workspace = Workspace(root, LIMITS)
    with pytest.raises(Refused, match="more than 1000 bytes"):
        workspace.write("new", "x" * 11)
    workspace.close()


def test_two_writers_cannot_share_the_last_of_a_quota(root: Path) -> None:
    """Writes take turns: of many at once only as many succeed as there is room for."""
    workspace = Workspace(root, Limits(max_bytes=1000, max_files=100, max_file_bytes=400))
    results: list[bool] = []

    def write(number: int) -> None:
        try:
            workspace.write(f"f{number}", "x" * 300)
            results.append(True)
        except Refused:
            results.append(False)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workspace.close()
    assert results.count(True) == 3


def test_large_and_binary_files_are_not_read(workspace: Workspace, root: Path) -> None:
    """Reading is bounded like writing, and what is no text is said to be none."""
    (root / "large").write_bytes(b"x" * 401)
    (root / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="larger than 400"):
        workspace.read("large")
    with pytest.raises(Refused, match="not a text"):
        workspace.read("binary")


def test_a_file_larger_than_the_bound_may_be_replaced_by_a_smaller_one(workspace: Workspace, root: Path) -> None:
    """What was there before the limits is no trap."""
    (root / "large").write_bytes(b"x" * 600)
    assert workspace.write("large", "small").changed
    assert (root / "large").read_text() == "small"


def test_a_failed_write_leaves_the_old_content(
    workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the middle of a write loses nothing and leaves no temporary file."""
    workspace.write("notes", "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Refused, match="disk is full"):
        workspace.write("notes", "new")
    assert workspace.read("notes") == "old"
    assert os.listdir(root) == ["notes"]


def test_permissions_of_a_replaced_file_are_kept(workspace: Workspace, root: Path) -> None:
    """A script stays executable."""
    (root / "run.sh").write_text("old")
    (root / "run.sh").chmod(0o755)
    workspace.write("run.sh", "new")
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o755


def test_long_listings_are_refused(workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing is bounded."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    for name in "abc":
        (root / name).touch()
    with pytest.raises(Refused, match="3 entries"):
        workspace.list(".")
