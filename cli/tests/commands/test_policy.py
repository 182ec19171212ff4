import base64
import json
from pathlib import Path
from typing import Any

import pytest
from amas_cli.app import build
from amas_cli.exit_codes import ExitCode
from typer.testing import CliRunner, Result

from ..audit_trail.exports import Key, make_export, tree_hash
from ..fakes import FakeGateway
from ..policy.records import SHIPPED, base_input, candidate, members
from .conftest import Run

pytestmark = pytest.mark.integration
ACCESS = "tools/access/policy.rego"
ALLOWED = {
    "effect": "allow",
    "reasons": [{"code": "TOOL_GRANTED", "message": "m"}],
    "obligations": ["label", "quota", "redact"],
    "approval": None,
}


def policy(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(build(), ["policy", *arguments], input=given)


def findings(*arguments: str) -> list[tuple[str, str]]:
    """The checks that found something, and what; the exit code says so too."""
    done = policy(*arguments, "--output", "json")
    report = json.loads(done.stdout)
    assert done.exit_code == (ExitCode.OK if report["passed"] else ExitCode.FAILED)
    return [(finding["check"], finding["message"]) for finding in report["findings"]]


def written_export(target: Path, *events: dict[str, Any]) -> Path:
    """A genuine export of a run in which these were decided."""
    made = make_export(["dev.amas.run.started", *["dev.amas.action.intent"] * len(events), "dev.amas.run.ended"])
    for number, event in enumerate(events, start=1):
        index = made.entries[number]["index"]
        sequence = number + 1
        leaf = {**event, "runsequence": sequence, "specversion": "1.0", "source": "policy-sidecar"}
        made.leaves[index] = json.dumps(leaf, separators=(",", ":")).encode()
        made.entries[number]["leaf"] = made.leaves[index].decode()
    return resigned(made).write(target)


def resigned(made: Any) -> Any:
    from ..audit_trail.exports import make_entry

    root = base64.b64encode(tree_hash(made.leaves)).decode()
    key = Key()
    made.header["checkpoint"] = key.sign(f"{key.name}\n{len(made.leaves)}\n{root}\n")
    made.entries[:] = [make_entry(entry["index"], made.leaves) for entry in made.entries]
    return made


def test_the_shipped_policies_pass():
    """And the words say over how much."""
    tested, checked = policy("test", str(SHIPPED)), policy("check", str(SHIPPED))
    assert (tested.exit_code, checked.exit_code) == (0, 0), tested.output + checked.output
    assert "every line covered" in tested.stdout
    assert "reason codes documented" in checked.stdout


def test_a_test_that_fails_a_line_without_test_and_a_case_are_named(tmp_path: Path):
    """One finding each, with its place."""
    folder = candidate(tmp_path / "p", "escalation/risk/policy.rego", '"escalate": 75', '"escalate": 200')
    found = findings("test", str(folder))
    assert {check for check, _ in found} == {"test", "case"}
    assert any(message.startswith("expected escalate HIGH_RISK") for _, message in found)
    uncovered = candidate(tmp_path / "q")
    with (uncovered / ACCESS).open("a") as access:
        access.write('\ndeny contains {"code": "NEVER", "message": "m"} if {\n\tinput.action.tool == "none/such"\n}\n')
    assert ("coverage", "no test reaches this line") in findings("test", str(uncovered))


@pytest.mark.parametrize(
    ("rule", "check"),
    [
        ('deny  contains {"code": "ROLE_MISSING", "message": "m"} if input.action.kind == "none"\n', "format"),
        ('deny contains {"code": "ROLE_MISSING", "message": "m"} if inputs.action.kind == "none"\n', "strict"),
        ('deny contains {"code": "ROLE_MISSING", "message": "m"} if http.send(input.action).body\n', "wasm"),
    ],
)
def test_check_finds_what_the_engines_would_refuse(tmp_path: Path, rule: str, check: str):
    """Before anybody loads it."""
    folder = candidate(tmp_path / "p")
    with (folder / ACCESS).open("a") as access:
        access.write(f"\n{rule}")
    assert [found for found, _ in findings("check", str(folder))] == [check]


def test_a_reason_code_that_nothing_documents_is_found_in_a_repository(tmp_path: Path):
    """Elsewhere there is nothing to compare, and that is said."""
    folder = candidate(tmp_path / "policies", ACCESS, "TOOL_NOT_GRANTED", "TOOL_NOT_LISTED")
    assert "reason codes not compared" in policy("check", str(folder)).stdout
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "reason-codes.md").write_text((SHIPPED.parent / "docs" / "reason-codes.md").read_text())
    assert findings("check", str(folder)) == [
        ("codes", "reason code TOOL_NOT_LISTED does not stand in docs/reason-codes.md")
    ]


def test_explain_names_the_rule(tmp_path: Path):
    """From a file, from standard input and by case, the same words."""
    document = base_input(grant=None)
    file = tmp_path / "input.json"
    file.write_text(json.dumps(document))
    shown = policy("explain", "--input", str(file), "--policies", str(SHIPPED))
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "deny"
    assert any(line.startswith("TOOL_NOT_GRANTED: ") for line in lines)
    assert any(f"{ACCESS}:" in line for line in lines)
    piped = policy("explain", "--input", "-", "--policies", str(SHIPPED), given=json.dumps(document))
    case = policy("explain", "--case", "main/decision:an ordinary read is allowed", "--policies", str(SHIPPED))
    assert piped.stdout == shown.stdout
    assert case.stdout.splitlines()[0] == "allow"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), ExitCode.USAGE, "Name one input"),
        (("--input", "-", "--case", "a:b"), ExitCode.USAGE, "Name one input"),
        (("--decision", "d"), ExitCode.USAGE, "Name one input"),
        (("--input", "-"), ExitCode.USAGE, "standard input is not JSON"),
        (("--case", "main/decision:none such"), ExitCode.NOT_FOUND, "an ordinary read is allowed"),
    ],
)
def test_what_explain_cannot_find_is_an_error_with_a_next_step(arguments, code, message):
    """Never a decision about something else."""
    done = policy("explain", *arguments, "--policies", str(SHIPPED), given="{")
    assert done.exit_code == code
    assert message in done.stderr


def test_replay_of_an_export_gates_a_change(tmp_path: Path):
    """0 while nothing changes, 1 once something does; limits hold also where changes are allowed."""
    export = written_export(tmp_path / "run.audit", members(base_input(), ALLOWED), members(None, ALLOWED))
    (tmp_path / "key").write_text(Key().verifier)
    verified = ("replay", "--from", str(export), "--public-key", str(tmp_path / "key"), "--policies")
    same = policy(*verified, str(SHIPPED))
    assert same.exit_code == 0, same.output
    assert "2 recorded, 1 the same, 0 changed, 1 not replayed" in same.stdout
    assert "not replayed: 1: a check in the code refused it" in same.stdout
    stricter = str(candidate(tmp_path / "p", ACCESS, "TOOL_GRANTED", "TOOL_ON_LIST"))
    changed = policy(*verified, stricter)
    assert changed.exit_code == ExitCode.FAILED
    assert "allow TOOL_GRANTED → allow TOOL_ON_LIST" in changed.stdout
    assert policy(*verified, stricter, "--allow-changes", "--max-stalled-runs", "0").exit_code == 0


def test_an_export_that_was_changed_is_not_replayed(tmp_path: Path):
    """With a key; without one it is said that nobody looked."""
    export = written_export(tmp_path / "run.audit", members(base_input(), ALLOWED))
    export.write_text(export.read_text().replace("acme", "evil"))
    (tmp_path / "key").write_text(Key().verifier)
    refused = policy("replay", "--from", str(export), "--public-key", str(tmp_path / "key"), "--policies", str(SHIPPED))
    assert refused.exit_code == ExitCode.FAILED
    assert "audit NOT verified" in refused.stderr
    assert "not verified" in policy("replay", "--from", str(export), "--policies", str(SHIPPED)).stderr


def test_an_export_that_was_cut_is_refused_without_a_key(tmp_path: Path):
    """Decisions that are not there would pass a gate unseen."""
    export = written_export(tmp_path / "run.audit", members(base_input(), ALLOWED), members(base_input(), ALLOWED))
    lines = export.read_bytes().splitlines(keepends=True)
    arguments = ("replay", "--from", str(export), "--policies", str(SHIPPED))
    for cut in (lines[:-1], lines[1:], [*lines[:1], *lines[2:]], [*lines, lines[1]], []):
        export.write_bytes(b"".join(cut))
        assert policy(*arguments).exit_code == ExitCode.USAGE
    assert "export has no end" in policy(*arguments).stderr


def test_a_replay_of_nothing_is_no_pass(tmp_path: Path):
    """A gate that compared nothing must not open."""
    none = written_export(tmp_path / "none.audit")
    assert policy("replay", "--from", str(none), "--policies", str(SHIPPED)).exit_code == ExitCode.NOT_FOUND
    unusable = written_export(tmp_path / "unusable.audit", members(None, ALLOWED))
    done = policy("replay", "--from", str(unusable), "--policies", str(SHIPPED), "--allow-changes")
    assert done.exit_code == ExitCode.FAILED
    assert "nothing could be replayed" in done.stdout


def test_replay_asks_the_gateway_for_a_range(run: Run, gateway: FakeGateway):
    """By type; the times are held against the events, `--until` not included."""
    events = [
        {**members(base_input(), ALLOWED), "time": f"2026-11-23T1{hour}:00:00Z", "specversion": "1.0"}
        for hour in range(4)
    ]
    entries = [{"index": "1", "leaf": base64.b64encode(json.dumps(event).encode()).decode()} for event in events]
    gateway.answers["GET", "/v1/audit/events"] = {"entries": entries, "nextPageToken": ""}
    times = ("--since", "2026-11-23T11:00:00Z", "--until", "2026-11-23T13:00:00Z")
    done = run("policy", "replay", *times, "--policies", str(SHIPPED), "--output", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["decisions"] == 2
    assert len(gateway.asked) == 5
    wrong = run("policy", "replay", "--since", "yesterday", "--policies", str(SHIPPED))
    assert (wrong.exit_code, "no RFC 3339 time" in wrong.stderr) == (ExitCode.USAGE, True)
    assert run("policy", "replay", "--policies", str(SHIPPED)).exit_code == ExitCode.USAGE


def test_without_opa_the_next_step_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The commands never guess a decision."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AMAS_CACHE_DIR", str(tmp_path))
    done = policy("test", str(SHIPPED))
    assert done.exit_code == ExitCode.UNAVAILABLE
    assert "make opa" in done.stderr


def test_a_folder_without_policies_is_an_error(tmp_path: Path):
    """Not a success over nothing."""
    assert policy("test", str(tmp_path)).exit_code == ExitCode.USAGE
    assert policy("check", str(tmp_path / "none")).exit_code == ExitCode.USAGE
