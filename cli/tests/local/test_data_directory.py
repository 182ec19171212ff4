"""A server's data is joined to the place that was named for it by a link, never by a name reckoned from a path."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from amas_cli.local.data_directory import REACHABLE_PARENT, DataDirectory
from amas_cli.local.embedded_server import EmbeddedServerError
from amas_cli.local.server_identity import ServerIdentity


class Secluded(ServerIdentity):
    """A user that reaches nothing below a test's folder, wherever that is, as `postgres` does below a private one."""

    def reaches(self, path: Path) -> bool:
        return path.parent == REACHABLE_PARENT


class Everywhere(ServerIdentity):
    """A user to whom no folder is closed."""

    def reaches(self, path: Path) -> bool:
        return True


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDirectory]:
    """Data that has to lie outside the test's folder."""
    made = DataDirectory(tmp_path / "home" / "data", Secluded(os.geteuid(), os.getegid()))
    yield made
    made.remove()


def test_data_lies_where_it_was_named_when_its_user_comes_there(tmp_path: Path) -> None:
    """No link, no other place."""
    data = DataDirectory(tmp_path / "data", Everywhere(os.geteuid(), os.getegid()))
    assert data.make() == data.path == data.named
    assert not data.named.is_symlink()
    data.check()


def test_data_elsewhere_is_private_and_found_by_its_link(data: DataDirectory) -> None:
    """Who names the same place later finds the same data."""
    made = data.make()
    assert made.parent == REACHABLE_PARENT
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert DataDirectory(data.named, data.identity).path == made
    data.check()


def test_a_new_folder_at_an_old_path_does_not_find_old_data(data: DataDirectory) -> None:
    """The state folder was deleted by hand, and its data elsewhere stayed behind: it is not the new one's."""
    old = data.make()
    (old / "secret").write_text("of before")
    shutil.rmtree(data.named.parent)
    try:
        assert not data.path.exists()
        fresh = data.make()
        assert fresh != old
        assert list(fresh.iterdir()) == []
        assert (old / "secret").exists()
    finally:
        shutil.rmtree(old)


def test_a_second_folder_takes_the_place_of_the_first(data: DataDirectory) -> None:
    """What an interrupted start left goes."""
    first = data.make()
    second = data.make()
    assert not first.exists()
    assert data.path == second


def test_data_that_is_gone_is_an_error_not_a_new_beginning(data: DataDirectory) -> None:
    """A log of audit that begins anew without a word would be a lie."""
    shutil.rmtree(data.make())
    with pytest.raises(EmbeddedServerError, match="is not there; bring it back, or"):
        data.check()


def test_data_that_its_user_no_longer_reaches_is_an_error(data: DataDirectory) -> None:
    """A folder above it was closed: nothing is begun elsewhere."""
    data.named.mkdir(parents=True)
    with pytest.raises(EmbeddedServerError, match="cannot reach its data"):
        data.check()


def test_data_of_somebody_else_is_refused(data: DataDirectory) -> None:
    """A link to a folder of another user is no data of ours."""
    made = data.make()
    other = DataDirectory(data.named, Secluded(os.geteuid() + 1, os.getegid()))
    with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
        other.check()
    assert made.is_dir()


def test_removing_takes_the_link_and_the_data_and_is_repeatable(data: DataDirectory) -> None:
    """Nothing is left at either place."""
    made = data.make()
    data.remove()
    data.remove()
    assert not made.exists()
    assert not data.named.is_symlink()


def test_a_kill_before_its_user_has_it_leaves_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a folder that is not its user's would be refused as somebody else's at the next start, for ever."""
    data = DataDirectory(tmp_path / "data", Secluded(os.geteuid(), os.getegid()))
    elsewhere: list[Path] = []

    def killed(_: ServerIdentity, path: Path) -> None:
        elsewhere.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(ServerIdentity, "own", killed)
    try:
        with pytest.raises(KeyboardInterrupt):
            data.make()
        assert not data.named.is_symlink()
    finally:
        for path in elsewhere:
            path.rmdir()


def test_a_link_that_is_not_ours_takes_nothing_away(tmp_path: Path) -> None:
    """Whoever can write to the state folder must not choose what we delete: a folder that we did not make stays."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("of somebody")
    data = DataDirectory(tmp_path / "data", Everywhere(os.geteuid(), os.getegid()))
    data.named.symlink_to(kept)
    data.remove()
    assert (kept / "file").exists()
    assert not data.named.is_symlink()
