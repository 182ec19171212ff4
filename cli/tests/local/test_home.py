import os
import stat
import tempfile
from pathlib import Path

import pytest
from amas_cli.errors import CliError
from amas_cli.local.home import SOCKET_PATH_LIMIT, Home, write_private


def test_the_folders_are_private(tmp_path: Path) -> None:
    """Nobody else lists the state folder; as root one may pass through it, for Postgres."""
    home = Home(tmp_path / "home")
    home.create()
    assert home.root.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
    for folder in (home.secrets, home.keys, home.credentials, home.logs, home.workspace):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_private_file_is_never_wider(tmp_path: Path) -> None:
    """Also over a file that was readable before."""
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    """A Unix socket's path is bounded by the kernel; a deep folder must not break the platform."""
    home = Home(tmp_path / ("x" * 120))
    assert len(os.fsencode(home.policy_socket)) <= SOCKET_PATH_LIMIT
    assert home.policy_socket != Home(tmp_path / ("y" * 120)).policy_socket


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """Not a stack trace."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CliError) as refused:
        Home(tmp_path / "file" / "home").create()
    assert "AMAS_HOME" in refused.value.next_step


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AMAS_HOME, else .amas here; always absolute."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMAS_HOME", raising=False)
    assert Home.from_environment().root == tmp_path / ".amas"
    monkeypatch.setenv("AMAS_HOME", "elsewhere")
    assert Home.from_environment().root == tmp_path / "elsewhere"


def test_a_sockets_folder_that_somebody_else_put_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its name in the temporary folder can be guessed: what stands there is neither followed nor made ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    other.chmod(0o755)
    home = Home(tmp_path / ("x" * 120))
    home.policy_socket.parent.symlink_to(other)
    with pytest.raises(CliError, match="belongs to somebody else"):
        home.create()
    assert stat.S_IMODE(other.stat().st_mode) == 0o755
    home.policy_socket.parent.unlink()
    home.policy_socket.parent.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: other.stat().st_uid + 1)
    with pytest.raises(CliError, match="belongs to somebody else"):
        home.create()
