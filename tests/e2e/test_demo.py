"""`make demo`, as it is run: the whole product on a repository, and at the end a record that verifies and replays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..local_platform import LocalPlatform

pytestmark = pytest.mark.e2e
DEMO_TIMEOUT_S = 300


@pytest.mark.parametrize(("answer", "ending"), [("yes", "one commit was made"), ("no", "nothing was committed")])
def test_the_demo_ends_with_a_record_that_verifies_and_replays(tmp_path: Path, answer: str, ending: str) -> None:
    """I9, I10: outsiders' verifier and byte-identical replay, for a run that was approved and for one that was not."""
    workspace = LocalPlatform(tmp_path)
    workspace.make_repository()
    done = subprocess.run(
        [sys.executable, "-m", "amas_cli.demo", "--repo", str(workspace.repository)],
        env={**os.environ, "DEMO_APPROVE": answer, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("verifier verified: run run-") for line in lines)
    assert "replay byte-identical" in lines
    assert any(ending in line for line in lines)
