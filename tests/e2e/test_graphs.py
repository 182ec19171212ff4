"""Every shape of an orchestration on the whole platform: parallel, map, branch, delegate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..local_platform import LocalPlatform
from ..waiting import wait_for
from . import graph_model

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 60.0
MANIFEST = Path(__file__).with_name("graphs.yaml")


def run_graph(platform: LocalPlatform, developer, folder: Path, granted: str):
    """Applies the graph, with what the manager may do, and runs it to its end."""
    with graph_model.serve() as url:
        manifest = folder / "graphs.yaml"
        manifest.write_text(MANIFEST.read_text().replace("MODEL_URL", url).replace("GRANTED_TOOLS", granted))
        platform.command("apply", "-f", str(manifest), "--as", "developer")
        run = developer.start("graph", {"text": "one two three"})
        return wait_for("the end of the run", lambda: developer.ended(run), RUN_TIMEOUT_S)


def test_parallel_map_branch_and_delegate(platform: LocalPlatform, clean, developer, tmp_path):
    """The map keeps its order, the branch is skipped, and the delegate's answer comes from the real repository."""
    ended = run_graph(platform, developer, tmp_path, "[{name: git/git_log}]")
    assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
    output = json.loads(ended["outputJson"])
    commits = len(platform.git("log", "--format=%h").splitlines())
    assert output == {"loud": ["ONE", "TWO", "THREE"], "commits": commits, "skipped": "skipped"}
    states = {step["path"]: step["state"] for step in ended["steps"]}
    assert states["never"] == "STEP_STATE_SKIPPED"
    assert states["loud[2]"] == "STEP_STATE_SUCCEEDED"
    assert "verified" in platform.verify(ended["id"], tmp_path)
    assert "replay byte-identical" in platform.command("audit", "replay", ended["id"], "--as", "auditor")


def test_a_delegate_holds_no_more_than_its_caller(platform: LocalPlatform, clean, developer, auditor, tmp_path):
    """A role without the tool cannot get at it through one that has it: the narrower of both grants counts."""
    ended = run_graph(platform, developer, tmp_path, "[]")
    assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
    assert json.loads(ended["outputJson"])["commits"] == 0, "the reader has seen the history"
    types = [entry["event"]["type"] for entry in auditor.call("GET", f"/audit/events?runId={ended['id']}")["entries"]]
    assert "dev.amas.action.denied" in types
    assert "dev.amas.action.intent" not in types
