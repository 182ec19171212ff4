"""describe and diff: what reviewers and approvers read about a role."""

from __future__ import annotations

from typing import Any

import pytest
from amas_governance.describe import describe_role
from amas_governance.describe_dlp import describe_dlp, diff_dlp
from amas_governance.diff import diff_roles
from amas_governance.dlp.actions import Action
from amas_governance.resources import AgentRole, DlpRules, parse_manifest

from . import manifests

COMMIT: dict[str, Any] = {
    "name": "git/git_commit",
    "arguments": {"properties": {"message": {"pattern": "^docs: "}}},
    "approval": {"from": ["release-managers"], "expiresIn": "30m"},
    "limits": {"calls": 1},
}


def role(**spec: Any) -> AgentRole:
    """A role with these fields."""
    parsed = parse_manifest(manifests.role(**spec))
    assert isinstance(parsed, AgentRole)
    return parsed


def test_a_description_says_every_grant_with_its_conditions() -> None:
    """A reader who knows no YAML sees effect, narrowing, approval and limits."""
    text = describe_role(role(tools=[{"name": "git/git_log"}, COMMIT]), manifests.parsed(manifests.server()))
    assert "git/git_log (reads, may be repeated)" in text
    assert "git/git_commit (writes, is not repeated)" in text
    assert "only if message matches ^docs: " in text
    assert "only after one of release-managers agrees, other than whoever asked, within 30m" in text
    assert "at most 1 call in a run; further ones are refused" in text
    assert "It may call nothing else." in text


def test_our_own_keywords_and_lists_are_said_in_words() -> None:
    """A reader sees which folders and hosts, also inside lists, and is told of what has no simple words."""
    arguments = {
        "properties": {
            "files": {"items": {"pathPrefixes": ["docs", "notes"], "maxLength": 80}},
            "url": {"hosts": ["*.example.com"]},
            "way": {"not": {"const": "x"}},
        },
        "additionalProperties": False,
    }
    text = describe_role(role(tools=[{"name": "git/git_log", "arguments": arguments}]))
    assert "only if files[] is a path under docs or notes" in text
    assert "only if files[] has at most 80 characters" in text
    assert "only if url is an http or https URL of the host *.example.com" in text
    assert 'only if way satisfies not: {"const": "x"}' in text
    assert "only if no other arguments are given" in text


def test_a_description_says_what_happens_at_a_bound_and_to_delegates() -> None:
    """Both ends are spelt out, and that a delegate is not free."""
    assert "then it fails" in describe_role(role())
    text = describe_role(role(onBound="escalate", delegates=["helper"]))
    assert "then a human is asked whether it may go on" in text
    assert "It may hand sub-tasks to: helper. What they do is bound by this contract too." in text


def test_a_deprecated_role_says_so_first() -> None:
    """Since when, why, what instead and until when."""
    deprecated = {"since": "2026-01-02", "removal": "2026-07-01", "message": "It is slow.", "replacedBy": "writer2"}
    expected = "Deprecated since 2026-01-02: It is slow. Use writer2 instead. New runs are refused from 2026-07-01 on."
    assert describe_role(role(deprecated=deprecated)).splitlines()[1] == expected
    assert changes({}, {"deprecated": deprecated}) == [f"changes: d{expected[1:]}"]
    assert changes({"deprecated": deprecated}, {}) == ["changes: is no longer deprecated"]


def test_a_role_without_tools_says_so_and_unknown_effects_are_not_guessed() -> None:
    """Silence is never mistaken for permission."""
    assert "It may call no tool." in describe_role(role())
    assert "effect unknown" in describe_role(role(tools=[COMMIT]))


def test_a_description_is_deterministic() -> None:
    """The same contract gives the same words, whatever the order of the other resources."""
    servers = manifests.parsed(manifests.server(), manifests.server("other"))
    contract = role(tools=[COMMIT])
    assert describe_role(contract, servers) == describe_role(contract, list(reversed(servers)))


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The differences as text."""
    return [str(change) for change in diff_roles(role(**before), role(**after))]


def test_nothing_changed_is_an_empty_diff() -> None:
    """A diff never cries wolf."""
    assert changes({"tools": [COMMIT]}, {"tools": [COMMIT]}) == []


def test_gains_and_losses_are_told_apart() -> None:
    """A reviewer sees at once where a role gets more freedom."""
    assert changes({"tools": []}, {"tools": [COMMIT]}) == ["gains: may call git/git_commit"]
    assert changes({"tools": [COMMIT]}, {"tools": []}) == ["loses: may call git/git_commit"]
    assert changes({"delegates": ["a"]}, {"delegates": ["b"]}) == [
        "gains: may delegate to b",
        "loses: may delegate to a",
    ]
    assert changes({"bounds": {"tokens": 5}}, {"bounds": {"tokens": 6}}) == ["gains: tokens from 5 to 6"]
    assert changes({"data": {"clearance": "public"}}, {"data": {"clearance": "internal", "categories": ["pii"]}}) == [
        "gains: clearance from public to internal",
        "gains: may see pii",
    ]


def test_a_dropped_approval_or_condition_is_a_gain() -> None:
    """Freedom by leaving something out is shown like freedom by adding."""
    loose = {key: value for key, value in COMMIT.items() if key == "name"}
    assert changes({"tools": [COMMIT]}, {"tools": [loose | {"untrusted": "allow"}]}) == [
        "gains: git/git_commit: no approval is needed any more",
        "gains: git/git_commit: no longer only if message matches ^docs: ",
        "gains: git/git_commit: calls in a run from 1 to no bound of its own",
        "gains: git/git_commit: after untrusted content allow instead of trustedArguments",
    ]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"pathPrefixes": ["docs"]}, {"pathPrefixes": ["docs", "notes"]}, "gains"),
        ({"pathPrefixes": ["docs"]}, {"pathPrefixes": ["docs/a", "docs/b"]}, "loses"),
        ({"pathPrefixes": ["docs"]}, {"pathPrefixes": ["notes"]}, "changes"),
        ({"hosts": ["a.example.com"]}, {"hosts": ["*.example.com"]}, "gains"),
        ({"hosts": ["*.example.com"]}, {"hosts": ["a.example.com"]}, "loses"),
        ({"enum": [1, 2]}, {"enum": [1, 2, 3]}, "gains"),
        ({"enum": [1, 2]}, {"enum": [2]}, "loses"),
        ({"maxLength": 5}, {"maxLength": 6}, "gains"),
        ({"minimum": 5}, {"minimum": 6}, "loses"),
        ({"pattern": "a"}, {"pattern": "b"}, "changes"),
        ({"pattern": "a"}, {}, "gains"),
        ({}, {"hosts": ["a.example.com"]}, "loses"),
    ],
)
def test_one_condition_that_moved_is_more_or_less(before: Any, after: Any, kind: str) -> None:
    """A wider list, a higher limit and a dropped condition are gains; where it cannot be said, it is a change."""
    tools = [[{"name": "git/git_log", "arguments": {"properties": {"p": schema}}}] for schema in (before, after)]
    (found,) = changes({"tools": tools[0]}, {"tools": tools[1]})
    assert found.startswith(f"{kind}: git/git_log: ")


def test_other_changes_are_never_hidden() -> None:
    """Instructions and schemas are neither more nor less, but a reviewer must look."""
    assert changes({"version": "1.0.0"}, {"version": "1.1.0", "instructions": "Do. " * 40}) == [
        "changes: version: 1.0.0 to 1.1.0",
        "changes: instructions",
    ]


def test_new_and_removed_roles() -> None:
    """A whole role counts with all its tools."""
    contract = role(tools=[COMMIT])
    assert [str(c) for c in diff_roles(None, contract)] == ["gains: the role is new", "gains: may call git/git_commit"]
    assert str(diff_roles(contract, None)[0]) == "loses: the role is removed"
    assert diff_roles(None, None) == []


def test_a_description_says_what_must_be_trusted() -> None:
    """A reader sees which arguments an attacker's text cannot choose, and that silence means all of them."""

    def words(**tool: Any) -> str:
        server = manifests.server(tools={"git_commit": {"effect": "write", **tool}})
        return describe_role(role(tools=[COMMIT]), manifests.parsed(server))

    assert "only if every argument stems from trusted input, or a human agrees" in words()
    assert "only if repo, files[].path stem from trusted input, or a human agrees" in words(
        sensitive=["repo", "files[].path"]
    )
    assert "says that no argument is sensitive" in words(sensitive=[])


def test_bounds_of_amounts_are_described_and_compared() -> None:
    """Who reads the words knows from which amount on a human is asked, and that a bound that goes is a gain."""
    free = {"name": "git/git_commit"}
    bound = {**free, "amounts": [{"argument": "refund.amount", "escalateAbove": 100, "denyAbove": 1000}]}
    words = "refund.amount asks a human above 100 and is refused above 1000"
    assert words in describe_role(role(tools=[bound]))
    assert changes({"tools": [free]}, {"tools": [bound]}) == [f"loses: git/git_commit: {words}"]
    assert changes({"tools": [bound]}, {"tools": [free]}) == [f"gains: git/git_commit: it holds no more that {words}"]


def test_what_leaves_is_described_and_compared() -> None:
    """A reviewer sees in words what happens to sensitive data, and whether a change loosens it."""
    strict, loose = DlpRules(pii=Action.DENY), DlpRules(pii=Action.REDACT, detectors={"email": Action.ALLOW})
    assert describe_dlp(loose) == ["personal data is redacted", "what the detector email finds may leave"]
    assert list(diff_dlp(strict, loose)) == [
        ("gains", "personal data is redacted"),
        ("changes", "what the detector email finds: may leave now"),
    ]
    assert next(iter(diff_dlp(loose, strict))) == ("loses", "personal data may not leave")
    assert list(diff_dlp(strict, strict)) == []


def test_autonomy_is_described_and_compared() -> None:
    """Who reads the words knows what a burnt error budget leads to; a budget that goes is a gain."""
    governed = {"autonomy": {"objective": "95%", "window": "24h", "pendingApprovals": 5}}
    text = describe_role(role(**governed))
    assert "none once 5% of those within 24h have (few are reckoned as 100)" in text
    assert "while 5 approvals wait, what would need another is refused" in text
    assert [change.split(":")[0] for change in changes({}, governed)] == ["loses"]
    assert changes(governed, {}) == ["gains: its autonomy follows no error budget any more"]
    assert [change.split(":")[0] for change in changes(governed, {"autonomy": {"objective": "90%"}})] == ["changes"]


def test_a_description_says_what_a_tool_may_be_handed() -> None:
    """A reader sees where the role's data does not go."""
    spec: dict[str, Any] = {"clearance": {"confidentiality": "confidential", "categories": ["pii"]}}
    text = describe_role(role(tools=[COMMIT]), manifests.parsed(manifests.server(**spec)))
    assert "only while the context holds confidential data at most, of special categories pii" in text
    assert "the context holds" not in describe_role(role(tools=[COMMIT]), manifests.parsed(manifests.server()))
