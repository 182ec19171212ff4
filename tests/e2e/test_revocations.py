"""What is revoked stops everywhere within a second, also in runs under way, and is on the record (I1, I2)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from amas_cli.local.home import Home
from amas_cli.local.state import load_state
from redis import Redis

from ..gateway_client import GatewayClient, ProblemError
from ..local_platform import LocalPlatform
from ..waiting import wait_for
from . import graph_model

pytestmark = pytest.mark.e2e
RUN_TIMEOUT_S = 60.0
# What the product promises, from the answer of the revocation on.
PROMISE = timedelta(seconds=1)
# What the model asks for again and again.
LOOK = {"repo_path": "repository", "max_count": 1}
MANIFEST = Path(__file__).with_name("looping.yaml")
USES = ("dev.amas.model.called", "dev.amas.action.intent")


@pytest.fixture
def admin(platform: LocalPlatform) -> Iterator[GatewayClient]:
    """The REST API as an administrator; what a test leaves revoked is restored."""
    client = GatewayClient(platform.status()["endpoints"]["api"], platform.token("developer"))
    yield client
    for one in client.call("GET", "/revocations")["revocations"]:
        what = {"kind": one["kind"].removeprefix("REVOCATION_KIND_").lower(), "name": one["name"]}
        client.call("POST", "/revocations:restore", what)


def revoke(admin: GatewayClient, kind: str, name: str) -> datetime:
    """Revokes; the moment at which the answer was there."""
    admin.call("POST", "/revocations", {"kind": kind, "name": name, "reason": "compromised"})
    return datetime.now(UTC)


def until_approval(client: GatewayClient, run: str) -> dict[str, Any]:
    """The run's approval, once it asks."""

    def look() -> dict[str, Any] | None:
        ended = client.ended(run)
        assert ended is None, f"the run ended before it asked: {ended}"
        return client.pending_approval(run)

    return wait_for("the approval of the commit", look, RUN_TIMEOUT_S)


def until_end(client: GatewayClient, run: str) -> dict[str, Any]:
    """The run, once it has ended."""
    return wait_for("the end of the run", lambda: client.ended(run), RUN_TIMEOUT_S)


def revoked_end(client: GatewayClient, run: str) -> str:
    """What the run says was revoked."""
    ended = until_end(client, run)
    assert (ended["state"], ended["reason"]["code"]) == ("RUN_STATE_FAILED", "REVOKED"), ended
    return str(ended["reason"]["message"])


def events(auditor: GatewayClient, **filters: str) -> list[dict[str, Any]]:
    """Events of the audit log, all pages."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = auditor.call("GET", f"/audit/events?{query}&pageSize=200&pageToken={token}")
        found += [entry["event"] for entry in page["entries"]]
        token = page.get("nextPageToken", "")
        if not token:
            return found


def said_in(event: dict[str, Any]) -> dict[str, str]:
    """An event's contents by name."""
    return {content["name"]: base64.b64decode(content["data"]).decode() for content in event["contents"]}


def began(event: dict[str, Any]) -> datetime:
    """When a use was let in: a model call is on record with its end, and with how long it took."""
    took = timedelta(milliseconds=int(json.loads(event["dataJson"]).get("durationMs", 0)))
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")) - took


def uses(auditor: GatewayClient, run: str) -> list[datetime]:
    """When the run called a model or sent a tool call, by the record."""
    return sorted(began(event) for event in events(auditor, runId=run) if event["type"] in USES)


def refusal(call: Any) -> ProblemError:
    """The refusal of a call."""
    with pytest.raises(ProblemError) as refused:
        call()
    return refused.value


def test_a_run_that_waits_for_a_human_ends(platform: LocalPlatform, clean, admin, developer, release_manager, auditor):
    """By the command: the question is withdrawn, nothing is committed, no run starts, until it is restored."""
    run = developer.start("release-notes", {"repository": "repository"})
    approval = until_approval(developer, run)
    said = platform.command("revoke", "role", "publisher", "--reason", "it committed nonsense", "--as", "developer")
    assert said == "role/publisher revoked\n"
    assert revoked_end(developer, run) == "role publisher is revoked"
    assert refusal(lambda: release_manager.decide(approval, approve=True)).reason == "APPROVAL_CANCELLED"
    start = refusal(lambda: developer.start("release-notes", {"repository": "repository"}))
    assert (start.status, start.reason) == (409, "REVOKED")
    assert "it committed nonsense" in start.body["detail"]
    (listed,) = platform.json("revocations")
    assert (listed["kind"], listed["name"], listed["revoked_by"]) == ("role", "publisher", "developer")
    assert platform.commits_since(clean) == []
    platform.command("restore", "role", "publisher", "--reason", "corrected", "--as", "developer")
    platform.reset_repository(clean)
    again = developer.start("release-notes", {"repository": "repository"})
    release_manager.decide(until_approval(developer, again), approve=True)
    assert until_end(developer, again)["state"] == "RUN_STATE_SUCCEEDED"
    made, lifted = (
        [
            event
            for event in events(auditor, type=f"dev.amas.revocation.{kind}", contents="true")
            if listed["id"] in event["dataJson"]
        ]
        for kind in ("made", "lifted")
    )
    assert [said_in(event)["reason"] for event in (*made, *lifted)] == [
        "it committed nonsense",
        "corrected",
    ]
    assert {event["principal"] for event in (*made, *lifted)} == {"developer"}


@pytest.mark.parametrize("kind", ["role", "principal", "bundle", "tool"])
def test_a_run_in_a_loop_of_turns_stops_within_a_second(
    platform: LocalPlatform, clean, admin, developer, release_manager, auditor, tmp_path, kind: str
):
    """By the record: no model call and no tool call is later than the answer of the revocation and a second."""
    with graph_model.serve(lambda _: graph_model.call("git__git_log", LOOK)) as url:
        manifest = tmp_path / "looping.yaml"
        manifest.write_text(MANIFEST.read_text().replace("MODEL_URL", url))
        platform.command("apply", "-f", str(manifest), "--as", "developer")
        run = release_manager.start("looping", {})
        wait_for("some turns", lambda: len(uses(auditor, run)) >= 4, RUN_TIMEOUT_S)
        bundle = developer.run(run)["bundle"]
        name = {"role": "looper", "principal": "release-manager", "bundle": bundle, "tool": "git"}[kind]
        answered = revoke(admin, kind, name)
        said = revoked_end(developer, run)
        assert f"{kind} {name} is revoked" in said
        last = uses(auditor, run)[-1]
        assert last <= answered + PROMISE, f"{(last - answered).total_seconds():.3f} s after the answer"


def test_a_tool_that_was_revoked_while_it_waits_is_refused_when_approved(
    platform: LocalPlatform, clean, admin, developer, release_manager, auditor
):
    """The approval is given, and the call is refused all the same."""
    run = developer.start("release-notes", {"repository": "repository"})
    approval = until_approval(developer, run)
    revoke(admin, "tool", "git/git_commit")
    release_manager.decide(approval, approve=True)
    assert revoked_end(developer, run) == "step publish: tool git/git_commit is revoked"
    assert platform.commits_since(clean) == []
    denied = [event for event in events(auditor, runId=run) if event["type"] == "dev.amas.action.denied"]
    assert "REVOKED" in denied[-1]["dataJson"]


def test_a_revoked_principals_tokens_and_direct_calls_are_refused(
    platform: LocalPlatform, clean, admin, release_manager, auditor
):
    """A token that was good a second ago gets 403 everywhere; restored, the same token is good again."""
    body = {"model": "default", "messages": [{"role": "user", "content": "hello"}]}
    wait_for("an answer", lambda: release_manager.call("POST", "/chat/completions", body), RUN_TIMEOUT_S)
    answered = revoke(admin, "principal", "release-manager")

    def refused(*call: Any) -> ProblemError | None:
        # Whoever was let in within the second gets an answer: that call was allowed, and counts as a use. A store that
        # a busy machine holds up is no refusal.
        try:
            release_manager.call(*call)
        except ProblemError as error:
            return error if error.status != 503 else None
        return None

    for call in (("POST", "/chat/completions", body), ("GET", "/runs")):
        problem = wait_for(f"the refusal of {call[1]}", lambda call=call: refused(*call), RUN_TIMEOUT_S)
        assert problem.status == 403
    called = events(auditor, principal="release-manager", type="dev.amas.model.called")
    last = max(map(began, called))
    assert last <= answered + PROMISE, f"{(last - answered).total_seconds():.3f} s after the answer"
    admin.call("POST", "/revocations:restore", {"kind": "principal", "name": "release-manager"})
    wait_for("an answer again", lambda: release_manager.call("POST", "/chat/completions", body), RUN_TIMEOUT_S)


def test_a_lost_copy_comes_back_by_itself(platform: LocalPlatform, clean, admin, developer):
    """The store of the sidecars loses what is revoked: it is put back from the truth, and work goes on."""
    revoke(admin, "tool", "git/git_commit")
    state = load_state(Home(platform.home))
    assert state is not None
    password = (platform.home / "secrets" / "valkey").read_text().strip()
    with Redis(port=state.internal_ports["valkey"], password=password) as store:
        before = store.hgetall("amas:revocations")
        assert len(before) == 2
        store.delete("amas:revocations")
        wait_for("the copy", lambda: store.hgetall("amas:revocations") == before, RUN_TIMEOUT_S)
    # The publisher is not even shown the tool, and cannot do its work without it; those before it did theirs.
    ended = until_end(developer, developer.start("release-notes", {"repository": "repository"}))
    states = {step["path"]: step["state"] for step in ended["steps"]}
    assert (states["draft"], states["publish"]) == ("STEP_STATE_SUCCEEDED", "STEP_STATE_FAILED"), ended
    assert platform.commits_since(clean) == []


def test_slips_and_strangers_are_refused(admin, developer, release_manager, stranger):
    """I8, I11: an unknown name with a hint, a principal without the right, and nothing across tenants."""
    slip = refusal(lambda: revoke(admin, "role", "publsher"))
    assert (slip.status, slip.reason) == (404, "REVOCABLE_NOT_FOUND")
    assert "did you mean publisher?" in slip.body["detail"]
    assert refusal(lambda: revoke(release_manager, "role", "publisher")).reason == "ROLE_MISSING"
    assert refusal(lambda: revoke(developer, "principal", "developer")).reason == "REVOKES_ITSELF"
    stranger.call("POST", "/revocations", {"kind": "principal", "name": "developer", "force": True})
    assert developer.call("GET", "/runs")["runs"] is not None
    assert developer.call("GET", "/revocations")["revocations"] == []
    stranger.call("POST", "/revocations:restore", {"kind": "principal", "name": "developer"})
