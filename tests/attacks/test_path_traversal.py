"""Promise: no path and no link leads a file tool out of its folder, even where a contract does not narrow it (I1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .gate import Gate, Proposal
from .obedient_desk import ObedientDesk

pytestmark = pytest.mark.e2e
SECRET = "outside of the workspace"
DOT = "\N{FULLWIDTH FULL STOP}"
# They look like a way out, and are odd names inside the workspace, which may be written.
ODD_NAMES = ("..%2foutside.txt", "~/outside.txt", "file:///etc/passwd", f"{2 * DOT}/outside.txt")


@pytest.fixture
def outside(desk: ObedientDesk) -> Iterator[Path]:
    """A file beside the workspace, and links inside it that point there."""
    folder = desk.platform.workspace
    target = folder.parent / "outside.txt"
    target.write_text(SECRET)
    links = {
        "link.txt": target,
        "relative.txt": Path("../outside.txt"),
        "folder": folder.parent,
        "root": Path("/"),
        "self": Path("/proc/self"),
    }
    for name, to in links.items():
        (folder / name).symlink_to(to)
    yield target
    for name in links:
        (folder / name).unlink()
    target.unlink()


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "repository/../../outside.txt",
        "./../outside.txt",
        "..%2foutside.txt",
        "..\\outside.txt",
        "/etc/passwd",
        "//etc/passwd",
        "file:///etc/passwd",
        "~/outside.txt",
        "link.txt",
        "relative.txt",
        "folder/outside.txt",
        "root/etc/passwd",
        "self/environ",
        "repository/.git/config",
        "repository/.GIT/config",
        "a\u0000/../../outside.txt",
        f"{2 * DOT}/outside.txt",
    ],
)
def test_nothing_outside_is_read_or_written(gate: Gate, outside: Path, path: str) -> None:
    """Each is answered with an error or a denial, and neither shows nor changes what lies outside."""
    for tool, more in (("read_file", {}), ("stat_file", {}), ("list_files", {}), ("write_file", {"content": "x"})):
        answer = gate.enforce(Proposal(f"workspace/{tool}", {"path": path, **more}, role="prober"))
        if tool == "write_file" and path in ODD_NAMES:
            continue
        assert not answer.done, (tool, answer)
        assert SECRET not in answer.text
        assert "root:" not in answer.text
    assert outside.read_text() == SECRET


def test_a_narrowed_path_is_narrow(gate: Gate) -> None:
    """The shipped publisher reads one file, by one name."""
    for path in ("repository/RELEASE_NOTES.md/../../outside.txt", "repository//RELEASE_NOTES.md", "RELEASE_NOTES.md"):
        answer = gate.enforce(Proposal("workspace/read_file", {"path": path}, role="publisher"))
        assert (answer.effect, answer.codes) == ("deny", ("ARGUMENTS_INVALID",))
