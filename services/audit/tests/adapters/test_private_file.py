"""Files with secrets: read when nobody else could read them, as a laptop and as Kubernetes keeps them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from amas_audit.adapters.private_file import is_private, read_private_file
from amas_audit.domain.errors import NotReadyError

US, OURS, THEIRS = 65532, 65532, 100


def found(mode: int, user: int, group: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, user, group, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "user", "group", "private"),
    [
        (0o600, US, OURS, True),
        (0o400, US, OURS, True),
        (0o400, 0, OURS, True),
        # A Secret's volume under fsGroup: root's, and read by the pod's group.
        (0o440, 0, OURS, True),
        (0o640, 0, OURS, True),
        (0o440, 0, THEIRS, False),
        (0o440, US, OURS, False),
        (0o660, 0, OURS, False),
        (0o444, 0, OURS, False),
        (0o604, US, OURS, False),
        (0o602, US, OURS, False),
        (0o450, 0, OURS, False),
    ],
)
def test_a_secret_is_taken_only_from_who_alone_can_read_it(mode: int, user: int, group: int, private: bool) -> None:
    """A key that others on the machine could have read or changed is no key."""
    assert is_private(found(mode, user, group), US, {OURS}) is private


def test_root_needs_no_group() -> None:
    """A service that runs as root reads its own files; a group that may too is somebody else."""
    assert is_private(found(0o600, 0, 0), 0, {0})
    assert not is_private(found(0o440, 0, 0), 0, {0})


def test_a_file_that_is_open_to_others_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """The operator reads which file it is, and how it is put right; through links as Kubernetes makes them."""
    (tmp_path / "..2026").mkdir()
    secret = tmp_path / "..2026" / "key"
    secret.write_bytes(b"secret")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "key").symlink_to("..data/key")
    secret.chmod(0o600)
    assert read_private_file(tmp_path / "key", "signing key") == b"secret"
    secret.chmod(0o644)
    with pytest.raises(NotReadyError, match=r"signing key .*/key is open to group or others: chmod 600"):
        read_private_file(tmp_path / "key", "signing key")
