"""The main job, through all five services, by the API and by the command."""

from __future__ import annotations

import json

import pytest

from ..gateway_client import GatewayClient, ProblemError
from ..local_platform import LocalPlatform
from ..waiting import wait_for

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 60.0
INPUT = {"repository": "repository"}


def until_approval(client: GatewayClient, run: str):
    """Waits for the run's approval; a run that ended instead says why."""

    def look():
        ended = client.ended(run)
        assert ended is None, f"the run ended before it asked: {ended}"
        return client.pending_approval(run)

    return wait_for("the approval of the commit", look, RUN_TIMEOUT_S)


def until_end(client: GatewayClient, run: str):
    """Waits for the run's end."""
    return wait_for("the end of the run", lambda: client.ended(run), RUN_TIMEOUT_S)


def test_an_approved_run_commits_once_and_its_record_verifies(
    platform: LocalPlatform, clean, developer, release_manager, tmp_path
):
    """The notes come from the real history, the commit exists once, and an outsider can verify the record."""
    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    assert approval["tool"] == "git/git_commit"
    assert json.loads(approval["argumentsJson"])["message"].startswith("docs: ")
    assert platform.commits_since(clean) == []
    release_manager.decide(approval, approve=True)
    ended = until_end(developer, run)
    assert ended["state"] == "RUN_STATE_SUCCEEDED", ended
    assert len(platform.commits_since(clean)) == 1
    notes = (platform.repository / "RELEASE_NOTES.md").read_text()
    assert "import statements from CSV files" in notes
    assert json.loads(ended["outputJson"]).strip() == notes.strip()
    assert float(ended["usage"]["cost"]["amount"]) > 0
    assert "verified" in platform.verify(run, tmp_path)


def test_a_rejected_run_commits_nothing(platform: LocalPlatform, clean, developer, release_manager, tmp_path):
    """No is an answer: the run ends as rejected, and the record of it verifies too."""
    run = developer.start("release-notes", INPUT)
    release_manager.decide(until_approval(developer, run), approve=False, reason="not today")
    ended = until_end(developer, run)
    assert ended["state"] == "RUN_STATE_REJECTED"
    assert platform.commits_since(clean) == []
    assert "verified" in platform.verify(run, tmp_path)


def test_an_approval_covers_exactly_what_was_shown_once_by_another(
    platform, clean, developer, release_manager, auditor
):
    """I3: other arguments, the requester's own answer, someone without the right, and a second answer are refused.

    The same answer sent again is no second one: it shows the approval as it stands, and nothing is done twice.
    """
    head = platform.git("rev-parse", "HEAD")
    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    other = {**approval, "actionDigest": "sha256:" + "0" * 64}
    for client, shown in ((release_manager, other), (developer, approval), (auditor, approval)):
        with pytest.raises(ProblemError) as refused:
            client.decide(shown, approve=True)
        assert refused.value.status in (400, 403, 409), refused.value
        assert refused.value.reason
    decided = release_manager.decide(approval, approve=True)
    assert release_manager.decide(approval, approve=True)["answers"] == decided["answers"]
    for other_answer in ({"approve": False}, {"approve": True, "reason": "seen twice"}):
        with pytest.raises(ProblemError) as twice:
            release_manager.decide(approval, **other_answer)
        assert twice.value.status in (400, 409)
    assert until_end(developer, run)["state"] == "RUN_STATE_SUCCEEDED"
    assert len(platform.commits_since(head)) == 1


def test_an_approver_changes_the_message_within_the_contract(platform, clean, developer, release_manager, tmp_path):
    """I3: the edited commit is made, under its own digest; what the contract forbids cannot be edited in."""
    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    proposed = json.loads(approval["argumentsJson"])
    with pytest.raises(ProblemError) as requester:
        developer.preview_edit(approval, proposed)
    assert requester.value.status == 403
    forbidden = release_manager.preview_edit(approval, {**proposed, "message": "feat: not documentation"})
    assert forbidden["decision"]["effect"] == "EFFECT_DENY"
    with pytest.raises(ProblemError) as denied:
        release_manager.approve_edit(approval, forbidden)
    assert denied.value.reason == "EDIT_DENIED"
    seen = release_manager.preview_edit(approval, {**proposed, "message": "docs: edited by a human"})
    assert seen["decision"]["effect"] == "EFFECT_ESCALATE"
    decided = release_manager.approve_edit(approval, seen)
    assert decided["approvedDigest"] == seen["edit"]["actionDigest"] != approval["actionDigest"]
    assert until_end(developer, run)["state"] == "RUN_STATE_SUCCEEDED"
    assert platform.git("log", "-1", "--format=%s") == "docs: edited by a human"
    assert "verified" in platform.verify(run, tmp_path)


def test_the_same_idempotency_key_is_the_same_run(clean, developer, release_manager):
    """A client that asks again after a cut starts nothing twice; another request under the key is refused."""
    first = developer.start("release-notes", INPUT, key="once")
    assert developer.start("release-notes", INPUT, key="once") == first
    with pytest.raises(ProblemError) as refused:
        developer.start("release-notes", {"repository": "repository", "since": "2020-01-01"}, key="once")
    assert refused.value.status in (409, 422)
    release_manager.decide(until_approval(developer, first), approve=False)
    until_end(developer, first)


def test_a_run_is_cancelled_while_it_waits(platform, clean, developer):
    """Cancel works at once, and what waited is not done."""
    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    developer.call("POST", f"/runs/{run}:cancel", {"reason": "changed my mind"})
    assert until_end(developer, run)["state"] == "RUN_STATE_CANCELLED"
    assert developer.call("GET", f"/approvals/{approval['id']}")["state"] != "APPROVAL_STATE_PENDING"
    assert platform.commits_since(clean) == []


def test_tenants_never_meet(clean, developer, release_manager, stranger):
    """I8: another tenant's run and approval do not exist, whatever one knows of them."""
    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    for path in (f"/runs/{run}", f"/approvals/{approval['id']}", f"/runs/{run}/events"):
        with pytest.raises(ProblemError) as hidden:
            stranger.call("GET", path)
        assert hidden.value.status == 404
    assert stranger.call("GET", "/runs").get("runs", []) == []
    release_manager.decide(approval, approve=False)
    until_end(developer, run)


def test_input_that_breaks_the_schema_names_the_field(developer):
    """I11: a bad request gets a precise error and changes nothing."""
    before = len(developer.call("GET", "/runs")["runs"])
    with pytest.raises(ProblemError) as refused:
        developer.start("release-notes", {"repository": 7})
    assert refused.value.status in (400, 422)
    assert "repository" in json.dumps(refused.value.body)
    with pytest.raises(ProblemError) as unknown:
        developer.start("no-such-orchestration", INPUT)
    assert unknown.value.status == 404
    assert len(developer.call("GET", "/runs")["runs"]) == before


def test_the_command_follows_a_run_and_says_how_it_ended(platform: LocalPlatform, clean, developer, release_manager):
    """`amas run --follow` shows each step, and its exit code tells the outcome."""
    run = platform.start_run()
    approval = until_approval(developer, run)
    release_manager.decide(approval, approve=True)
    until_end(developer, run)
    shown = platform.command("watch", run, "--as", "developer")
    for word in ("history", "sort", "draft", "publish", "git/git_log", "git/git_commit", approval["id"]):
        assert word in shown
    assert json.loads(platform.command("get", "runs", "--as", "developer", "--output", "json"))
