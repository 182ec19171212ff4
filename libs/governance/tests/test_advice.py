"""advice: warnings that do not stop an apply, with the place that they are about."""

from __future__ import annotations

from datetime import date
from typing import Any

from amas_governance.consistency import advice, check
from amas_governance.loader import SourceFile, load

from . import manifests

OLD: dict[str, Any] = {"since": "2026-01-02", "removal": "2026-07-01", "message": "It is slow.", "replacedBy": "fast"}
BEFORE_REMOVAL, AT_REMOVAL = date(2026, 6, 30), date(2026, 7, 1)


def told(*given: dict[str, Any], before: tuple[dict[str, Any], ...] = (), today: date = BEFORE_REMOVAL) -> list[str]:
    """The warnings as text."""
    found = advice(manifests.parsed(*given), manifests.parsed(*before), None, today)
    return [str(warning) for warning in found]


def test_using_a_deprecated_role_is_a_warning() -> None:
    """Steps and delegates that name it are told what to use instead; resources that do not are left in peace."""
    warned = told(
        manifests.role("writer", deprecated=OLD),
        manifests.role("fast"),
        manifests.role("lead", delegates=["writer", "fast"]),
        manifests.orchestration({"name": "a", "role": "writer"}, {"name": "b", "role": "fast"}),
    )
    sentence = "deprecated since 2026-01-02: It is slow. Use fast instead. New runs are refused from 2026-07-01 on."
    assert warned == [
        f"spec.steps[0].role: Orchestration flow: the role writer is {sentence}",
        f"spec.delegates[0]: AgentRole lead: the role writer is {sentence}",
    ]


def test_a_removed_role_is_called_removed() -> None:
    """From the day of removal on, the warning says that runs are refused."""
    given = (manifests.role("writer", deprecated=OLD), manifests.orchestration({"name": "a", "role": "writer"}))
    assert "was removed on 2026-07-01: new runs are refused; use fast instead" in told(*given, today=AT_REMOVAL)[0]


def test_a_change_under_the_same_version_is_a_warning() -> None:
    """The digest still tells both apart, but people read versions."""
    old, new = manifests.role("writer"), manifests.role("writer", purpose="Other.")
    (warning,) = told(new, before=(old,))
    assert warning.startswith("spec.version: AgentRole writer: has changed, but its version is still 1.0.0")
    assert told(new | {"spec": new["spec"] | {"version": "1.0.1"}}, before=(old,)) == []
    assert told(old, before=(old,)) == []
    assert told(new) == []


def test_a_warning_has_its_file_and_line() -> None:
    """As a problem has."""
    text = """
apiVersion: amas.dev/v1alpha1
kind: AgentRole
metadata: {name: writer}
spec:
  version: 1.0.0
  purpose: Writes.
  model: {route: default}
  instructions: Write.
  input: {schema: {type: object}}
  output: {schema: {type: object}}
"""
    loaded = load([SourceFile("writer.yaml", text)])
    (warning,) = advice(loaded.resources, manifests.parsed(manifests.role("writer")), loaded.positions, AT_REMOVAL)
    assert (warning.file, warning.line, warning.field) == ("writer.yaml", 6, "spec.version")


def test_a_replacement_must_exist_and_be_another() -> None:
    """A reader who is sent to a role that is not there is lost: that is a problem, not a warning."""
    for name in ("nobody", "writer"):
        problems = check(manifests.parsed(manifests.role("writer", deprecated=OLD | {"replacedBy": name})))
        assert [problem.field for problem in problems] == ["spec.deprecated.replacedBy"]
        assert f"unknown other role {name}" in problems[0].message
    assert check(manifests.parsed(manifests.role("writer", deprecated=OLD), manifests.role("fast"))) == []
