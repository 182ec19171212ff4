"""`amas audit replay` on records of real runs: byte-identical, offline, and what was changed shows (I10)."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from amas_audit.domain.contents import commit
from amas_cli.audit_trail.replay_bundle import read_replay_bundle, write_replay_bundle
from amas_cli.output.replay import replayed
from amas_cli.replay.loading import load
from amas_cli.replay.replaying import replay_run
from amas_governance.audit_events import joined, split
from amas_governance.canonical import canonical_json, parse_json

from ..gateway_client import GatewayClient
from ..integration.policies.cases import POLICIES
from ..local_platform import LocalPlatform
from .test_policy_replay import NO_COMMITS
from .test_release_notes import INPUT, until_approval, until_end

# Five runs are recorded before the first test, by the one platform of all.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def bundles(
    platform: LocalPlatform,
    developer: GatewayClient,
    release_manager: GatewayClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Path]:
    """Replay bundles of runs that were approved, refused, edited and cancelled, and of one that still waits."""
    folder, head = tmp_path_factory.mktemp("bundles"), platform.git("rev-parse", "HEAD")
    platform.login("auditor")
    found: dict[str, Path] = {}

    def keep(name: str, run: str) -> None:
        found[name] = folder / f"{name}.amas"
        platform.command("audit", "export", run, "--bundle", str(found[name]), "--as", "auditor")

    def ended(name: str, run: str) -> None:
        until_end(developer, run)
        keep(name, run)
        platform.reset_repository(head)

    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    keep("waiting", run)
    release_manager.decide(approval, approve=True)
    ended("approved", run)
    run = developer.start("release-notes", INPUT)
    release_manager.decide(until_approval(developer, run), approve=False, reason="not today")
    ended("rejected", run)
    run = developer.start("release-notes", INPUT)
    approval = until_approval(developer, run)
    other = {**json.loads(approval["argumentsJson"]), "message": "docs: edited by a human"}
    release_manager.approve_edit(approval, release_manager.preview_edit(approval, other))
    ended("edited", run)
    run = developer.start("release-notes", INPUT)
    until_approval(developer, run)
    developer.call("POST", f"/runs/{run}:cancel", {"reason": "changed my mind"})
    ended("cancelled", run)
    return found


def replay(platform: LocalPlatform, file: Path, *more: str, expect: int = 0) -> dict[str, Any]:
    """The report of a replay that ends with an exit code."""
    return json.loads(platform.command("audit", "replay", str(file), *more, "--output", "json", expect=expect))


@pytest.mark.parametrize("name", ["approved", "rejected", "edited", "cancelled"])
def test_a_run_is_replayed_byte_for_byte(platform: LocalPlatform, bundles: Mapping[str, Path], name: str) -> None:
    """I10: from the record alone, every decision is derived again, and every event of the run is written again."""
    report = replay(platform, bundles[name], "--public-key", str(platform.home / "audit.pub"))
    assert report["identical"]
    assert report["decisions"]["same"] == report["decisions"]["recorded"] > 3
    assert report["decisions"]["aboutModels"] == report["modelCalls"] > 3
    assert report["events"]["same"] == report["events"]["recorded"] > 8
    assert report["toolCalls"] > 3
    assert not report["ends"]
    assert not report["differences"]


def test_a_run_that_waits_is_replayed_as_far_as_it_had_come(platform: LocalPlatform, bundles: Mapping[str, Path]):
    """The record of a run under way replays too, and says what it waits for."""
    report = replay(platform, bundles["waiting"])
    assert report["identical"]
    assert [end["where"] for end in report["ends"]] == ["publish"]
    assert "waits for people" in report["ends"][0]["why"]


def test_the_bundle_verifies_and_reading_it_is_on_record(platform: LocalPlatform, bundles, auditor: GatewayClient):
    """The verifier of outsiders accepts what the platform wrote; who fetched the policies of the run is recorded."""
    key = str(platform.home / "audit.pub")
    for name, file in bundles.items():
        expected = 1 if name == "waiting" else 0
        said = platform.command("audit", "verify", str(file), "--public-key", key, expect=expected)
        assert said.startswith("incomplete" if expected else "verified"), said
    reads = auditor.call("GET", "/audit/events?type=dev.amas.audit.read")["entries"]
    assert any('"bundle"' in entry["event"]["dataJson"] for entry in reads)


def test_a_replay_needs_no_network(platform: LocalPlatform, bundles: Mapping[str, Path]):
    """A replay touches no tool, no model and no network: it runs in a network namespace in which there is nothing."""
    command = [sys.executable, "-m", "amas_cli", "audit", "replay", str(bundles["approved"])]
    probe = ["unshare", "--net", "--map-root-user", "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets nobody make a network namespace")
    alone = [*probe[:-1], sys.executable, "-c", _ALONE, *command]
    done = subprocess.run(alone, capture_output=True, text=True, check=False, env={"AMAS_HOME": str(platform.home)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("interfaces: lo down\n")
    assert "replay byte-identical" in done.stdout


_ALONE = """
import os, subprocess, sys
links = sorted(os.listdir("/proc/self/net/dev_snmp6")) if os.path.isdir("/proc/self/net/dev_snmp6") else ["lo"]
routes = open("/proc/self/net/route").read().splitlines()[1:]
assert links == ["lo"] and not routes, (links, routes)
print("interfaces: lo down", flush=True)
os.execv(sys.argv[1], sys.argv[1:])
"""


def changed(file: Path, folder: Path, kind: str, change: Change) -> Path:
    """The same bundle with one event changed, packed anew. It does not verify, and a replay does not look at that."""
    parts = read_replay_bundle(file)
    raw = file.read_bytes()[parts.export[0] : sum(parts.export)]
    lines, done = [json.loads(line) for line in raw.splitlines()], False
    for line in lines:
        if line["kind"] == "entry" and not done:
            event = parse_json(line["leaf"])
            if event["type"] == kind:
                given = {one["name"]: base64.b64decode(one["data"]) for one in line["contents"]}
                event["data"] = joined(kind, event["data"], given)
                change(event)
                bare, said = split(kind, event["data"])
                apart = {one.name: base64.b64encode(one.data).decode() for one in said}
                line["contents"] = [{**one, "data": apart[one["name"]]} for one in line["contents"]]
                for one in line["contents"]:
                    stated = event["contents"][one["name"]]
                    stated |= committed(stated["mediatype"], one)
                line["leaf"], done = canonical_json({**event, "data": bare}).decode(), True
    assert done
    export = folder / "export.jsonl"
    written = (json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() for line in lines)
    export.write_bytes(b"".join(line + b"\n" for line in written))
    held = {digest: parts.bundle(digest) or b"" for digest in parts.bundles}
    write_replay_bundle(export, held, folder / "changed.amas")
    return folder / "changed.amas"


def committed(media_type: str, content: Mapping[str, str]) -> dict[str, Any]:
    """What the leaf says of a content that was given with its salt: as whoever makes a record up would write it."""
    salt, data = base64.b64decode(content["salt"]), base64.b64decode(content["data"])
    made = commit(salt, media_type, data)
    return {"commitment": base64.b64encode(made).decode(), "size": len(data)}


def other_reason(event: dict[str, Any]) -> None:
    event["data"]["decision"]["reasons"] = [{"code": "TOOL_GRANTED", "message": "another reason"}]


def other_input(event: dict[str, Any]) -> None:
    event["data"]["input"]["principal"]["roles"] = ["nobody"]


def other_answer(event: dict[str, Any]) -> None:
    event["data"]["text"] = "no commit at all"


def later(event: dict[str, Any]) -> None:
    event["time"] = "2020-01-01T00:00:00Z"


def other_output(event: dict[str, Any]) -> None:
    event["data"]["output"] = {"commits": []}


def another_action(event: dict[str, Any]) -> None:
    event["data"]["action_digest"] = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("kind", "change", "shows"),
    [
        ("dev.amas.action.intent", other_reason, "decision"),
        ("dev.amas.action.escalated", other_input, "question"),
        ("dev.amas.action.outcome", other_answer, "request"),
        ("dev.amas.step.ended", later, "event"),
        ("dev.amas.step.ended", other_output, "event"),
        ("dev.amas.run.ended", other_output, "event"),
        ("dev.amas.approval.requested", another_action, "event"),
    ],
)
def test_what_is_not_as_it_happened_is_shown(
    bundles: Mapping[str, Path], tmp_path: Path, kind: str, change: Change, shows: str
):
    """A record that does not agree with itself is not replayed silently: the difference is shown, and fails."""
    found = asyncio.run(replay_run(load(changed(bundles["approved"], tmp_path, kind, change))))
    assert not found.identical
    assert shows in {difference.kind for difference in found.differences}
    shown = [text for text, _ in replayed(found)]
    assert any(text.startswith(f"differs: {shows}") for text in shown)
    assert any(text.startswith("  +") for text in shown)


def test_other_policies_would_have_decided_otherwise(platform: LocalPlatform, bundles, tmp_path: Path):
    """The same policies change nothing; a candidate that denies commits changes the commit alone."""
    same = replay(platform, bundles["approved"], "--bundle", str(POLICIES))
    assert same["decisions"] == same["same"] > 3
    assert replay(platform, bundles["approved"], "--bundle", str(bundles["rejected"]))["same"] == same["same"]
    candidate = tmp_path / "candidate"
    shutil.copytree(POLICIES, candidate)
    with (candidate / "tools" / "access" / "policy.rego").open("a") as access:
        access.write(NO_COMMITS)
    report = replay(platform, bundles["approved"], "--bundle", str(candidate), expect=1)
    assert {change["subject"] for change in report["changed"]} == {"git/git_commit"}


def test_the_state_at_a_step_is_shown(platform: LocalPlatform, bundles: Mapping[str, Path]):
    """What an agent had been told, what it had spent and what people were asked, at any checkpoint of the run."""
    before = replay(platform, bundles["approved"], "--until", "publish/1")
    (step,) = [step for step in before["steps"] if step["step"] == "publish"]
    assert [message["role"] for message in step["conversation"][:2]] == ["system", "user"]
    assert step["turn"] == 1
    assert step["spent"]["modelCalls"] == 1
    assert step["label"]["integrity"] == "untrusted"
    waiting = replay(platform, bundles["waiting"], "--until", "history")
    assert {step["step"] for step in waiting["steps"]} == {"history"}
    missing = platform.attempt("audit", "replay", str(bundles["approved"]), "--until", "nowhere")
    assert missing.returncode == 3
    assert "it came to" in missing.stderr


def test_a_run_is_replayed_by_its_id(platform: LocalPlatform, bundles: Mapping[str, Path]):
    """Who has no file names the run: record and policies are fetched, and then nothing more is asked."""
    run = replay(platform, bundles["approved"])["run"]
    report = json.loads(platform.command("audit", "replay", run, "--as", "auditor", "--output", "json"))
    assert report["identical"]
    assert report["run"] == run


def lineage(platform: LocalPlatform, file: Path, *more: str) -> dict[str, Any]:
    """The lineage of one verified record."""
    key = str(platform.home / "audit.pub")
    said = platform.command("audit", "lineage", str(file), "--public-key", key, "--output", "json", *more)
    (found,) = json.loads(said)
    return found


def test_the_lineage_of_a_run_is_on_record(platform: LocalPlatform, bundles: Mapping[str, Path]):
    """What git said reached the next agent's model word for word, and the commit is what people approved."""
    whole = lineage(platform, bundles["approved"])
    observed = {(edge["from"], edge["to"]) for edge in whole["edges"] if edge["strength"] == "observed"}
    steps = {node["id"]: node.get("step", "") for node in whole["nodes"]}
    assert "sort" in {steps[target] for source, target in observed if source == "result:history/0/0"}
    commits = {node["id"] for node in whole["nodes"] if node["kind"] == "action" and node["name"] == "git/git_commit"}
    assert len(commits) == 1
    assert commits == {target for source, target in observed if source.startswith("approval:")}
    assert all(node["state"] in ("given", "none") for node in whole["nodes"])
    refused = lineage(platform, bundles["rejected"])
    assert not [node for node in refused["nodes"] if (node["kind"], node["name"]) == ("action", "git/git_commit")]
    edited = lineage(platform, bundles["edited"], "--of", "docs: edited by a human")
    assert {name.partition(":")[0] for name in edited["starts"]} >= {"action"}
    fields = {(edge["from"], edge["to"]): edge["fields"] for edge in whole["edges"]}
    assert fields["answer:draft", "output"] == [{"from": "/output/markdown", "to": "/output"}]
    assert fields["answer:history", "step:sort"] == [{"from": "/output/commits", "to": "/with/commits"}]
    came = lineage(platform, bundles["approved"], "--into", "draft")
    assert "result:history/0/0" in came["reached"]
    assert not [node for node in came["nodes"] if node.get("step") == "publish"]
