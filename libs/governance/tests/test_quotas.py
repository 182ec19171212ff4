"""Quota resources: what is refused when they are applied, what they say in words, and what a change gives or takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from amas_governance.bundle import Bundle, PolicySet
from amas_governance.consistency import check
from amas_governance.consistency.quotas import MAX_QUOTAS
from amas_governance.describe import describe_role
from amas_governance.diff import diff_quota
from amas_governance.loader import SourceFile, load
from amas_governance.problems import field_path
from amas_governance.resources import AgentRole, ManifestError, Quota, parse_manifest

from . import manifests

COMMIT = {"name": "git/git_commit"}


def quota(name: str = "acme-tools", **spec: Any) -> dict[str, Any]:
    """A quota of a tenant's calls in a day; None leaves a field out."""
    own = {"subject": {"tenant": "acme"}, "window": "day", "calls": 100} | spec
    own = {key: value for key, value in own.items() if value is not None}
    return {"apiVersion": manifests.API, "kind": "Quota", "metadata": {"name": name}, "spec": own}


def made(**spec: Any) -> Quota:
    """The same, parsed."""
    resource = parse_manifest(quota(**spec))
    assert isinstance(resource, Quota)
    return resource


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"subject": {}}, "spec.subject", "at least one of tenant, role, server and tool"),
        ({"subject": {"server": "git", "tool": "git/git_log"}}, "spec.subject.server", "one of server and tool"),
        ({"subject": {"tool": "git_log"}}, "spec.subject.tool", "such as git/git_commit"),
        ({"subject": {"rol": "writer"}}, "spec.subject.rol", "did you mean role?"),
        ({"per": "tenant"}, "spec.per", "'run', 'role' or 'tool'"),
        ({"window": "week"}, "spec.window", "'minute'"),
        ({"window": None}, "spec", "expected a window"),
        ({"calls": None}, "spec", "at least one of calls, bytesIn"),
        ({"calls": None, "rate": "5/s"}, "spec.window", "nothing is counted in it"),
        ({"calls": 0}, "spec.calls", "greater than or equal to 1"),
        ({"bytesIn": "1Ki"}, "spec.bytesIn", "expected 4Ki to 1024Gi"),
        ({"bytesOut": 0}, "spec.bytesOut", "expected 1 to 1024Gi"),
        ({"bytesOut": "2048Gi"}, "spec.bytesOut", "expected 1 to 1024Gi"),
        ({"wallClock": "367d"}, "spec.wallClock", "at most 366d"),
        ({"rate": "5"}, "spec.rate", "such as 5/s"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(spec: dict[str, Any], field: str, words: str) -> None:
    """A quota that bounds nothing, or cannot be counted, is refused with what to write instead."""
    with pytest.raises(ManifestError) as caught:
        made(**spec)
    found = {field_path(path): message for path, message in caught.value.problems}
    assert words in found[field]


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"subject": {"role": "writter"}}, "spec.subject.role", "unknown role writter; there are: writer"),
        ({"subject": {"server": "gti"}}, "spec.subject.server", "unknown tool server gti; there are: git"),
        ({"subject": {"tool": "gti/git_log"}}, "spec.subject.tool", "unknown tool server gti"),
        ({"subject": {"tool": "git/git_lgo"}}, "spec.subject.tool", "unknown tool of git git_lgo"),
        (
            {"subject": {"role": "writer", "tool": "git/git_log"}},
            "spec.subject.tool",
            "the role writer does not grant git/git_log",
        ),
        ({"wallClock": "30s"}, "spec.wallClock", "a call of git may take 90s"),
        ({"subject": {"tool": "git/git_log"}, "wallClock": "30s"}, "spec.wallClock", "a call of git may take 90s"),
    ],
)
def test_a_quota_that_bounds_nobody_or_everybody_is_refused(spec: dict[str, Any], field: str, words: str) -> None:
    """A misspelt name would bound nobody; too little time for one call would end all calls."""
    others = [manifests.server(), manifests.role(tools=[COMMIT])]
    found = {problem.field: problem.message for problem in check(manifests.parsed(quota(**spec), *others))}
    assert words in found[field]


def test_there_are_not_more_quotas_than_a_call_can_be_held_against() -> None:
    """All that cover a call are one claim in one script, which must stay short."""
    many = [quota(f"q{number:03}") for number in range(MAX_QUOTAS + 1)]
    assert check(manifests.parsed(*many[:-1])) == []
    (problem,) = check(manifests.parsed(*many))
    assert (problem.field, "at most 128" in problem.message) == ("metadata.name", True)


def test_a_quota_that_fits_has_no_problem() -> None:
    """Also one whose wall clock is just enough for one call."""
    fits = quota(subject={"role": "writer", "tool": "git/git_commit"}, wallClock="90s")
    others = [manifests.server(), manifests.role(tools=[COMMIT])]
    assert check(manifests.parsed(fits, *others)) == []


@pytest.mark.parametrize(
    ("subject", "covered"),
    [
        ({"tenant": "acme"}, True),
        ({"tenant": "globex"}, False),
        ({"role": "outer"}, True),
        ({"role": "writer"}, True),
        ({"role": "other"}, False),
        ({"server": "git"}, True),
        ({"server": "mail"}, False),
        ({"tool": "git/git_commit"}, True),
        ({"tool": "git/git_log"}, False),
        ({"tenant": "acme", "role": "writer", "tool": "git/git_log"}, False),
    ],
)
def test_all_that_a_subject_states_must_hold(subject: dict[str, Any], covered: bool) -> None:
    """A role's quota counts its own calls, and those that others make on its behalf."""
    assert made(subject=subject).covers("acme", ("outer", "writer"), "git/git_commit") is covered


def test_a_role_is_told_its_quotas_in_words() -> None:
    """`--explain` lists each quota that its calls can count under, and no other."""
    subject = {"tenant": "acme", "role": "writer", "tool": "git/git_commit"}
    mine = quota("commits", subject=subject, per="run", calls=1, bytesOut="1Mi", bytesIn="4Mi", wallClock="10m")
    whole = quota("whole", calls=None, window=None, rate="30/m", concurrency=2)
    others = quota("others", subject={"role": "reader"}), quota("mail", subject={"server": "mail"})
    resources = manifests.parsed(manifests.role(tools=[COMMIT]), whole, mine, *others)
    writer = next(resource for resource in resources if isinstance(resource, AgentRole))
    text = describe_role(writer, resources)
    assert (
        "  - calls of git/git_commit by role writer of tenant acme, each run by itself: at most 1 call a day, "
        "1Mi of arguments a day, 4Mi of answers a day, 10m in tool calls a day (quota commits)\n"
        "  - calls of any tool by tenant acme: at most calls at a rate of 30/m, 2 calls at once (quota whole)\n"
    ) in text
    assert "quota others" not in text
    assert "quota mail" not in text
    assert "count under" not in describe_role(writer, [])


def changed(**spec: Any) -> list[str]:
    """What a change of the usual quota says."""
    return [str(change) for change in diff_quota(made(), made(**spec))]


def test_a_change_says_what_is_gained_and_lost() -> None:
    """More is gained, less is lost, a new bound is lost freedom, and nothing is hidden."""
    assert changed() == []
    assert changed(calls=200) == [
        "gains: calls of any tool by tenant acme: at most 200 calls a day; before: at most 100 calls (quota acme-tools)"
    ]
    (lost,) = changed(bytesIn="1Mi")
    assert lost.startswith("loses: ")
    assert "at most 1Mi of answers a day; before: answers of any size" in lost
    kinds = [text.partition(":")[0] for text in changed(calls=None, bytesOut="1Mi", wallClock="2m", rate="5/s")]
    assert kinds == ["gains", "loses", "loses", "loses"]
    slower = [str(change) for change in diff_quota(made(rate="1/s"), made(rate="10/m"))]
    assert slower[0].startswith("loses: ")
    assert changed(window="hour")[0].startswith("changes: ")
    assert [str(change)[:6] for change in (*diff_quota(None, made()), *diff_quota(made(), None))] == [
        "loses:",
        "gains:",
    ]
    assert diff_quota(None, None) == []


def test_the_page_shows_a_whole_quota() -> None:
    """What a user copies from docs/quotas.md loads, and leaves no amount unsaid."""
    page = (Path(__file__).parents[3] / "docs" / "quotas.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    loaded = load([SourceFile("quotas.md", block)])
    assert loaded.problems == []
    (shown,) = loaded.resources
    assert isinstance(shown, Quota)
    assert shown.spec.model_fields_set == set(type(shown.spec).model_fields)


def test_a_bundle_holds_its_quotas() -> None:
    """They are read back as they were written."""
    built = Bundle.build(manifests.parsed(quota("b"), quota("a"), manifests.server()), PolicySet())
    assert [one.metadata.name for one in Bundle.parse(built.content).quotas] == ["a", "b"]
