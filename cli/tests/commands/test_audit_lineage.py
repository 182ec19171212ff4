"""`amas audit lineage` as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..audit_trail.exports import Key
from ..fakes import FakeGateway
from ..verifier.files import DOCUMENT, approved_run, export_bytes, lines, replay_bundle
from .conftest import Run
from .test_replay_bundles import serve


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The log's public key."""
    file = tmp_path / "audit.pub"
    file.write_text(Key().verifier)
    return file


def test_a_bundle_and_an_export_are_drawn(run: Run, tmp_path: Path, key: Path) -> None:
    """Verified first, with no server."""
    export = tmp_path / "run.audit"
    export.write_bytes(export_bytes(lines(approved_run())))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    files = [str(replay_bundle(bundle, lines(approved_run()))), str(export)]
    done = run("audit", "lineage", *files, "--public-key", str(key), "-o", "json")
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)
    assert first == second
    assert {"from": "approval:apr-1", "to": "action:publish/0/0", "strength": "observed"}.items() <= {
        name: value for edge in first["edges"] if edge["to"].startswith("action:") for name, value in edge.items()
    }.items()
    shown = run("audit", "lineage", files[0], "--public-key", str(key))
    assert "git/git_commit" in shown.stdout
    assert run("audit", "lineage", files[0], "--public-key", str(key), "-o", "dot").stdout.startswith("digraph")
    assert run("audit", "lineage", files[0], "--public-key", str(key), "-o", "mermaid").stdout.startswith("flowchart")
    said = run("audit", "lineage", files[0], "--public-key", str(key), "-o", "openlineage").stdout
    assert {json.loads(one)["eventType"] for one in said.splitlines()} == {"START", "COMPLETE"}


def test_what_does_not_verify_is_refused(run: Run, tmp_path: Path, key: Path) -> None:
    """Unless it is said that it may be taken on trust."""
    file = str(replay_bundle(tmp_path, lines(approved_run(), Key(seed=2))))
    refused = run("audit", "lineage", file, "--public-key", str(key))
    assert refused.exit_code == 1
    assert "does not verify" in refused.stderr
    assert not refused.stdout
    assert run("audit", "lineage", file, "--unverified").exit_code == 0
    nokey = run("audit", "lineage", file)
    assert nokey.exit_code == 2
    assert "--unverified" in nokey.stderr


def test_one_question_at_a_time(run: Run, tmp_path: Path) -> None:
    """And files that are none are refused with a sentence."""
    file = str(replay_bundle(tmp_path, lines(approved_run())))
    assert run("audit", "lineage", file, "--unverified", "--of", "a", "--into", "output").exit_code == 2
    assert "nothing found" in run("audit", "lineage", file, "--unverified", "--of", "never said").stdout
    broken = tmp_path / "broken.audit"
    broken.write_bytes(b"hello\n")
    for target in (str(broken), str(tmp_path / "none.audit")):
        done = run("audit", "lineage", target, "--unverified")
        assert done.exit_code in (1, 2)
        assert "Something unexpected" not in done.stderr


def test_a_run_is_fetched_by_its_id_and_verified(run: Run, gateway: FakeGateway, tmp_path: Path, key: Path) -> None:
    """What the gateway gives is held against the key as a file is."""
    serve(gateway, DOCUMENT)
    done = run("audit", "lineage", "run-1", "--public-key", str(key), "--into", "output")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("run-1: ")
    other = tmp_path / "other.pub"
    other.write_text(Key(seed=2).verifier)
    refused = run("audit", "lineage", "run-1", "--public-key", str(other))
    assert (refused.exit_code, refused.stdout) == (1, "")
