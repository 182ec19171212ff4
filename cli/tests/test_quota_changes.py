"""What `amas diff` says of a quota in words, beside the difference of the manifests."""

from typing import Any

import pytest
from amas_cli.output.changes import gained_and_lost


def quota(calls: int) -> dict[str, Any]:
    """A tenant's calls in a day."""
    spec = {"subject": {"tenant": "acme"}, "window": "day", "calls": calls}
    return {"apiVersion": "amas.dev/v1alpha1", "kind": "Quota", "metadata": {"name": "acme-tools"}, "spec": spec}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [(None, quota(100), "loses"), (quota(100), None, "gains"), (quota(100), quota(50), "loses")],
)
def test_a_quota_says_what_it_gives_and_takes(before: Any, after: Any, kind: str) -> None:
    """A new bound takes freedom, a removed one gives it; the words name whose calls, and the quota."""
    (line,) = gained_and_lost({"kind": "Quota", "name": "acme-tools", "before": before, "after": after})
    assert line.startswith(f"{kind}: ")
    assert "calls of any tool by tenant acme: at most" in line
    assert "(quota acme-tools)" in line


def test_other_kinds_are_shown_as_manifests_alone() -> None:
    """What a budget leaves is said by `amas budgets`."""
    assert gained_and_lost({"kind": "Budget", "name": "b", "before": None, "after": None}) == []
