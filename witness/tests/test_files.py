"""The witness's key: read when nobody else could read it, as a laptop and as Kubernetes keeps it."""

from __future__ import annotations

import os
import stat

import pytest
from amas_witness.files import is_private

US, OURS, THEIRS = 65532, 65532, 100


def found(mode: int, user: int, group: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, user, group, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "user", "group", "private"),
    [
        (0o600, US, OURS, True),
        (0o400, 0, OURS, True),
        # A Secret's volume under fsGroup: root's, and read by the pod's group.
        (0o440, 0, OURS, True),
        (0o440, 0, THEIRS, False),
        (0o440, US, OURS, False),
        (0o460, 0, OURS, False),
        (0o444, 0, OURS, False),
        (0o602, US, OURS, False),
    ],
)
def test_a_key_is_taken_only_from_who_alone_can_read_it(mode: int, user: int, group: int, private: bool) -> None:
    """A key that others on the machine could have read or changed is no key."""
    assert is_private(found(mode, user, group), US, {OURS}) is private


def test_root_needs_no_group() -> None:
    """A witness that runs as root reads its own files; a group that may too is somebody else."""
    assert not is_private(found(0o440, 0, 0), 0, {0})
