"""The command line answers with sentences and exit codes, never with a stack trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from amas_test_cluster.__main__ import main

HOLDS_A_LOCK = """
import fcntl, sys
stream = open(sys.argv[1], "w")
fcntl.flock(stream, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that does not exist, in folders of the test."""
    monkeypatch.setenv("AMAS_CLUSTER_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("AMAS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_a_cluster_that_is_not_up(capsys: pytest.CaptureFixture[str]) -> None:
    """The next step is in the sentence."""
    assert main(["status"]) == 1
    assert capsys.readouterr().err == "cluster: the cluster is not up: `make cluster-up`\n"


def test_an_own_cluster_is_not_taken_down(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the user brought is the user's."""
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    assert main(["down"]) == 1
    assert "not ours to take down" in capsys.readouterr().err


def test_an_unknown_part(capsys: pytest.CaptureFixture[str]) -> None:
    """A part is restarted by its name, and the names are said."""
    assert main(["restart", "etc"]) == 1
    assert "no part named etc" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system's own words, and where."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AMAS_CACHE_DIR", str(tmp_path / "file"))
    assert main(["restart", "etcd"]) == 1
    assert capsys.readouterr().err.startswith(f"cluster: {tmp_path / 'file'}")


def test_two_changes_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second one says that another is under way, and changes nothing."""
    folder = tmp_path / "cache" / "cluster"
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", HOLDS_A_LOCK, str(folder / "cluster.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert main(["restart", "etcd"]) == 1
        assert "another command changes the cluster" in capsys.readouterr().err
        holder.communicate("\n")


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """`make cluster-status | head` ends without a trace."""
    hyper = tmp_path / "state" / "hyper"
    hyper.parent.mkdir()
    hyper.write_text("#!/bin/sh\nyes pod | head -n 20000\n")
    hyper.chmod(0o755)
    (tmp_path / "state" / "processes").mkdir()
    (tmp_path / "state" / "processes" / "etcd.json").write_text("{}")
    command = f"{sys.executable} -P -m amas_test_cluster status | head -n 1"
    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True, env=dict(os.environ))
    assert "etcd" in done.stdout
    assert done.stderr == ""
