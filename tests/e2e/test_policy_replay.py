"""`amas policy replay` on the record of a real run: what decided it changes nothing, a candidate what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ..gateway_client import GatewayClient
from ..integration.policies.cases import POLICIES
from ..local_platform import LocalPlatform
from .test_release_notes import INPUT, until_approval, until_end

pytestmark = pytest.mark.e2e

NO_COMMITS = """
deny contains {"code": "NO_COMMITS", "message": "nobody commits"} if {
	input.action.tool == "git/git_commit"
}
"""


@pytest.fixture(scope="module")
def export(
    platform: LocalPlatform,
    developer: GatewayClient,
    release_manager: GatewayClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    """A run whose commit was approved, and the export of its record."""
    head = platform.git("rev-parse", "HEAD")
    run = developer.start("release-notes", INPUT)
    release_manager.decide(until_approval(developer, run), approve=True)
    assert until_end(developer, run)["state"] == "RUN_STATE_SUCCEEDED"
    platform.reset_repository(head)
    folder = tmp_path_factory.mktemp("replay")
    platform.verify(run, folder)
    return run, folder / f"{run}.jsonl"


@pytest.fixture
def without_commits(tmp_path: Path) -> Path:
    """The shipped policies, and a rule that denies every commit."""
    candidate = tmp_path / "candidate"
    shutil.copytree(POLICIES, candidate)
    with (candidate / "tools" / "access" / "policy.rego").open("a") as access:
        access.write(NO_COMMITS)
    return candidate


def replay(platform: LocalPlatform, *arguments: str, expect: int) -> dict:
    """The report of a replay that ends with an exit code."""
    return json.loads(platform.command("policy", "replay", *arguments, "--output", "json", expect=expect))


def test_the_policies_that_decided_a_run_change_nothing_of_it(platform: LocalPlatform, export):
    """Equal inputs have equal decisions: every recorded one comes out again, from a verified export and from audit."""
    run, file = export
    key = str(platform.home / "audit.pub")
    report = replay(platform, "--from", str(file), "--public-key", key, "--policies", str(POLICIES), expect=0)
    assert report["decisions"] == report["same"] > 3
    assert not report["changed"]
    assert not report["notReplayed"]
    assert (report["stalledRuns"], report["newApprovals"], report["approvalsNoLongerNeeded"]) == (0, 0, 0)
    platform.login("auditor")
    asked = replay(platform, "--run", run, "--as", "auditor", "--policies", str(POLICIES), expect=0)
    assert asked == report
    everything = ("--since", "2020-01-01T00:00:00Z", "--as", "auditor", "--policies", str(POLICIES))
    assert replay(platform, *everything, expect=0)["decisions"] > report["decisions"]


def test_a_candidate_without_commits_changes_the_commit_alone(platform: LocalPlatform, export, without_commits: Path):
    """The question about the approval and the call after it become denials; the run stalls; the gates see it."""
    run, file = export
    where = ("--from", str(file), "--policies", str(without_commits))
    report = replay(platform, *where, expect=1)
    assert {change["subject"] for change in report["changed"]} == {"git/git_commit"}
    assert [change["before"]["effect"] for change in report["changed"]] == ["escalate", "allow"]
    assert [change["after"]["codes"] for change in report["changed"]] == [["NO_COMMITS"]] * 2
    expected = {"run": run, "changed": 2, "stalled": True, "newApprovals": 0, "approvalsNoLongerNeeded": 1}
    assert report["runs"] == [expected]
    assert replay(platform, *where, "--allow-changes", expect=0)["stalledRuns"] == 1
    gated = replay(platform, *where, "--allow-changes", "--max-stalled-runs", "0", expect=1)
    assert gated["failures"] == ["1 runs would have stalled, and 0 is the limit"]


def test_a_recorded_decision_is_explained(platform: LocalPlatform, export, without_commits: Path):
    """The rule that decided is named by file and line, under the policies of then and under the candidate."""
    _, file = export
    report = replay(platform, "--from", str(file), "--policies", str(without_commits), expect=1)
    wanted = ("--from", str(file), "--decision", report["changed"][0]["decision"], "--output", "json")
    then = json.loads(platform.command("policy", "explain", *wanted, "--policies", str(POLICIES)))
    now = json.loads(platform.command("policy", "explain", *wanted, "--policies", str(without_commits)))
    assert then["decision"]["effect"] == "escalate"
    assert {origin["file"] for reason in then["reasons"] for origin in reason["from"]} >= {
        str(POLICIES / "tools" / "approval" / "policy.rego")
    }
    (origin,) = now["reasons"][0]["from"]
    rows = (without_commits / "tools" / "access" / "policy.rego").read_text().splitlines()
    assert "NO_COMMITS" in rows[origin["line"] - 1]
    assert {"field": "action.tool", "present": True, "value": "git/git_commit"} in origin["input"]
