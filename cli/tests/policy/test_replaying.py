from pathlib import Path

import pytest
from amas_cli.policy.recorded import NOT_ASKED, read_recorded
from amas_cli.policy.replaying import replay
from amas_cli.policy.sources import Sources

from .records import SHIPPED, approved_commit, base_input, candidate, members, record

pytestmark = pytest.mark.integration
APPROVAL = "tools/approval/policy.rego"
ACCESS = "tools/access/policy.rego"


def with_rule(folder: Path, file: str, rule: str) -> Sources:
    made = candidate(folder)
    with (made / file).open("a") as target:
        target.write(f"\n{rule}\n")
    return Sources.of(made)


def only_run(result):
    (run,) = result.runs()
    return (run.stalled, run.new_approvals, run.approvals_saved)


def test_the_same_policies_change_nothing():
    """Allowed, denied, escalated, approved: each comes out again."""
    decided = [
        record(base_input(), effect="allow"),
        record(base_input(grant=None), effect="deny"),
        *approved_commit(),
    ]
    result = replay(Sources.of(SHIPPED), decided)
    assert (len(result.compared), result.changed, result.runs()) == (4, [], [])


def test_what_would_have_to_wait_stalls_its_run_and_asks_people(tmp_path: Path):
    """By run; the quorum says how many; another run is untouched."""
    old, new = (
        'if {\n\tinput.action.kind == "tool"\n\tinput.action.effect == "irreversible"',
        'if {\n\tinput.action.kind == "tool"',
    )
    folder = candidate(tmp_path / "p", APPROVAL, old, new)
    text = (
        (folder / APPROVAL)
        .read_text()
        .replace(
            'requirement := irreversible_requirement if {\n\tinput.action.effect == "irreversible"\n',
            "requirement := irreversible_requirement if {\n",
        )
        .replace('"quorum": 1', '"quorum": 2')
    )
    (folder / APPROVAL).write_text(text)
    decided = [record(base_input(), effect="allow"), record(base_input(grant=None), effect="deny", run="run-2")]
    result = replay(Sources.of(folder), decided)
    assert only_run(result) == (True, 2, 0)
    assert result.runs()[0].run == "run-1"
    assert list(result.transitions()) == [
        ("git/git_commit", "allow TOOL_GRANTED", "escalate IRREVERSIBLE (2 of approvers)")
    ]


def test_a_higher_quorum_asks_once_more_for_each_approved_action(tmp_path: Path):
    """The question, its retry and the call after it are one asking."""
    waited, went = approved_commit()
    retried = read_recorded(members(waited.document, dict(waited.decision), key=waited.key, digest="d"))
    assert retried is not None
    folder = candidate(tmp_path / "p", APPROVAL, '"quorum": 1', '"quorum": 3')
    sources = Sources.of(folder)
    assert only_run(replay(sources, [waited, retried, went])) == (False, 2, 0)
    assert only_run(replay(sources, [went])) == (False, 2, 0)
    twice = [*approved_commit(digest="d"), *approved_commit(digest="d")]
    assert only_run(replay(sources, twice)) == (False, 4, 0)


def test_what_needs_no_approval_any_more_is_counted(tmp_path: Path):
    """It neither stalls nor asks."""
    sources = Sources.of(candidate(tmp_path / "p"))
    for file in (APPROVAL, "escalation/risk/policy.rego"):
        path = sources.folder / file
        path.write_text(
            path.read_text().replace('"irreversible"\n', '"never"\n').replace('"escalate": 75', '"escalate": 110')
        )
    waited, went = approved_commit()
    assert only_run(replay(sources, [waited, went])) == (False, 0, 1)
    assert only_run(replay(sources, [went])) == (False, 0, 1)


def test_an_escalation_of_what_nobody_can_approve_is_the_denial_that_it_is(tmp_path: Path):
    """As the policy-sidecar enforces it."""
    document = base_input(
        action={"kind": "admin", "verb": "apply", "resources": []}, role=None, principal__roles=["platform-admin"]
    )
    decided = record(document, effect="allow", run="")
    rule = 'escalate contains {"code": "ASK", "message": "m"} if input.action.kind == "admin"'
    sources = with_rule(
        tmp_path / "p", APPROVAL, f'{rule}\n\nrequirement := irreversible_requirement if input.action.kind == "admin"'
    )
    result = replay(sources, [decided])
    assert [(item.after.effect, item.after.codes) for item in result.changed] == [
        ("deny", ("ADMIN_ESCALATION_UNSUPPORTED",))
    ]
    assert result.runs() == []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('allow contains {"code": "TOOL_GRANTED"} if input.action.effect == "write"', "POLICY_DECISION_INVALID"),
        ('effects := {"read"} if input.action.effect == "write"', "POLICY_ENGINE_FAILED"),
    ],
)
def test_an_input_on_which_the_candidate_fails_is_found_among_many(tmp_path: Path, rule: str, code: str):
    """It counts as the denial that it would be, and the others are decided."""
    decided = [record(base_input(), effect="allow", key=f"k{number}") for number in range(4)]
    decided.insert(2, record(base_input(action__effect="write"), effect="allow"))
    result = replay(with_rule(tmp_path / "p", ACCESS, rule), decided)
    assert [(item.recorded.event, item.after.codes) for item in result.changed] == [(decided[2].event, (code,))]


def test_every_decision_is_counted_once():
    """What cannot be replayed is named, not skipped."""
    refused = {
        "effect": "deny",
        "reasons": [{"code": "TOOL_UNKNOWN", "message": "m"}],
        "obligations": [],
        "approval": None,
    }
    missing = read_recorded(members(None, refused))
    assert missing is not None
    report = replay(Sources.of(SHIPPED), [missing, record(base_input(), effect="allow")]).to_dict()
    assert (report["decisions"], report["same"], report["changed"]) == (2, 1, [])
    assert [(item["event"], item["why"]) for item in report["notReplayed"]] == [(missing.event, NOT_ASKED)]
