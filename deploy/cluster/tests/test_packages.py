"""Missing Debian packages: installed by root where apt is, else named with the command; nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from amas_test_cluster import packages
from amas_test_cluster.errors import ClusterError

ABSENT = (("no-such-program-of-amas", "the-package"), ("sh", "dash"))


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program apt-get that writes down what it was told; answers its notes."""
    notes = tmp_path / "notes"
    program = tmp_path / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {notes}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return notes


def test_what_is_there_is_not_missing() -> None:
    """By the program, wherever the package put it."""
    assert packages.missing(ABSENT) == {"the-package"}


def test_root_installs(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of what there is, without questions, and only what was asked for."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.ensure({"runc", "buildah"})
    assert apt.read_text().splitlines() == [
        "noninteractive update --quiet",
        "noninteractive install --yes --no-install-recommends buildah runc",
    ]


def test_nothing_missing_asks_nobody(apt: Path) -> None:
    """A machine that has all of it needs neither apt nor root."""
    packages.ensure(())
    assert not apt.exists()


def test_others_are_told_the_command(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root nothing is tried."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"apt-get install --yes --no-install-recommends runc"):
        packages.ensure({"runc"})
    assert not apt.exists()
