"""What is kept may be run as machine code: only a whole file that is ours alone is ever read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from amas_chassis import kept_files
from amas_chassis.kept_files import KeptFiles

CONTENT = b"compiled" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "compiled"


def test_what_was_put_is_there_for_the_next_process(folder: Path) -> None:
    """The folder is made, private, and nothing else is left in it."""
    KeptFiles(folder).put("one", CONTENT)
    assert KeptFiles(folder).get("one") == CONTENT
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "one").stat().st_mode & 0o777 == 0o600


def test_what_was_never_put_is_absent(folder: Path) -> None:
    """Without a folder, and without the file."""
    assert KeptFiles(folder).get("one") is None
    KeptFiles(folder).put("one", CONTENT)
    assert KeptFiles(folder).get("two") is None


def test_the_newest_content_counts(folder: Path) -> None:
    """A file is replaced as a whole."""
    kept = KeptFiles(folder)
    kept.put("one", CONTENT)
    kept.put("one", b"other")
    assert kept.get("one") == b"other"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_none(folder: Path, mode: int) -> None:
    """They could have put anything in it."""
    kept = KeptFiles(folder)
    kept.put("one", CONTENT)
    (folder / "one").chmod(mode)
    assert kept.get("one") is None


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_holds_nothing(folder: Path, mode: int) -> None:
    """They could have put a file in it, and nothing is put there either."""
    kept = KeptFiles(folder)
    kept.put("one", CONTENT)
    folder.chmod(mode)
    assert kept.get("one") is None
    kept.put("two", CONTENT)
    assert not (folder / "two").exists()


def test_a_file_of_another_user_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its modes are."""
    kept = KeptFiles(folder)
    kept.put("one", CONTENT)
    user = os.geteuid()
    monkeypatch.setattr(kept_files.os, "geteuid", lambda: user + 1)
    assert kept.get("one") is None


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """Neither as the file nor as the folder."""
    kept = KeptFiles(folder)
    kept.put("one", CONTENT)
    (folder / "two").symlink_to(folder / "one")
    assert kept.get("two") is None
    (tmp_path / "link").symlink_to(folder)
    assert KeptFiles(tmp_path / "link").get("one") is None


@pytest.mark.parametrize("broken", [CONTENT[:-1], CONTENT + b"x", b"", b"x" * 40])
def test_half_a_file_is_none(folder: Path, broken: bytes) -> None:
    """A disk that was full, or a process that was killed, leaves nothing that is taken for whole."""
    kept = KeptFiles(folder)
    kept.put("one", CONTENT)
    path = folder / "one"
    path.write_bytes(path.read_bytes()[:32] + broken)
    assert kept.get("one") is None


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """It is a saving, no need."""
    (tmp_path / "file").write_text("")
    kept = KeptFiles(tmp_path / "file" / "compiled")
    kept.put("one", CONTENT)
    assert kept.get("one") is None


@pytest.mark.parametrize("name", ["../one", "a/b", "", ".", "A"])
def test_a_name_is_no_path(folder: Path, name: str) -> None:
    """Nothing outside the folder is read or written."""
    with pytest.raises(ValueError, match="names no kept file"):
        KeptFiles(folder).get(name)
    with pytest.raises(ValueError, match="names no kept file"):
        KeptFiles(folder).put(name, CONTENT)
