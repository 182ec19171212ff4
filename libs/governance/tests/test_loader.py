"""loader: every problem with file, line, column, field and what was expected; never an exception."""

from __future__ import annotations

import json

import pytest
from amas_governance.loader import LoadResult, SourceFile, load
from hypothesis import given
from hypothesis import strategies as st

from . import manifests

ROLE = """\
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
  tools:
    - name: git/git_log
    - name: git/git_commit
      limits:
        calls: none
"""


def load_one(content: str, name: str = "a.yaml") -> LoadResult:
    """Loads one file."""
    return load([SourceFile(name, content)])


def test_a_problem_points_to_its_field() -> None:
    """File, line, column, path of the field, what was expected and what was found (I11)."""
    result = load_one(ROLE)
    assert result.resources == []
    (problem,) = result.problems
    assert (problem.file, problem.line, problem.column) == ("a.yaml", 15, 9)
    assert problem.field == "spec.tools[1].limits.calls"
    assert problem.message == 'expected a whole number, found "none"'
    assert str(problem).startswith("a.yaml:15:9: spec.tools[1].limits.calls: ")


def test_a_missing_field_points_to_its_mapping() -> None:
    """What is not written is shown where it should stand."""
    (problem,) = load_one(ROLE.replace("  purpose: Writes.\n", "").replace("none", "1")).problems
    assert (problem.line, problem.field, problem.message) == (4, "spec.purpose", "this field is required")


def test_many_documents_and_json_are_read() -> None:
    """YAML files may hold several documents, empty ones too; JSON is YAML."""
    good = ROLE.replace("none", "1")
    yaml = f"---\n{good}---\n---\n# only a comment\n---\n{json.dumps(manifests.route())}\n"
    result = load([SourceFile("a.yaml", yaml), SourceFile("b.json", json.dumps(manifests.provider(), indent=2))])
    assert result.problems == []
    assert [(r.KIND, r.metadata.name) for r in result.resources] == [
        ("AgentRole", "writer"),
        ("ModelRoute", "default"),
        ("ModelProvider", "local"),
    ]


def test_positions_are_kept_for_later_checks() -> None:
    """A field of a loaded resource can be found again, or the nearest part around it."""
    positions = load_one(ROLE.replace("none", "1")).positions
    assert positions.lookup("AgentRole", "writer", "spec.tools[1].name") == ("a.yaml", 13, 7)
    assert positions.lookup("AgentRole", "writer", "spec.bounds.steps") == ("a.yaml", 4, 1)
    assert positions.lookup("AgentRole", "other", "spec") == ("", 0, 0)


def test_one_name_is_one_resource() -> None:
    """A second definition is refused and names the first."""
    good = ROLE.replace("none", "1")
    result = load([SourceFile("a.yaml", good), SourceFile("b.yaml", good)])
    (problem,) = result.problems
    assert (problem.file, problem.line, problem.field) == ("b.yaml", 3, "metadata.name")
    assert "a.yaml:1" in problem.message


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a: 1\na: 2\n", 2, "twice"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: !!python/object/apply:os.system [echo]\n", 1, "tag"),
        ("a: !secret x\n", 1, "tag"),
        ("? [a]\n: b\n", 1, "expected a text as key"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", 2, "expected a text as key"),
        ("a: .nan\n", 1, "finite"),
        ("a: 99999999999999999999\n", 1, "2^53"),
        ("- 1\n", 1, "expected a mapping"),
        ("just text", 1, "expected a mapping"),
        ("a: *nobody\n", 1, "not YAML"),
        ("a: \x00\n", 1, "not YAML"),
        ("apiVersion: amas.dev/v1alpha1\nkind: Robot\n", 2, "expected one of AgentRole"),
        ("apiVersion: v1\nkind: Pod\n", 1, "expected amas.dev/v1alpha1"),
    ],
)
def test_bad_yaml_is_a_problem_with_its_line(content: str, line: int, words: str) -> None:
    """No bad file raises, and each problem is findable (I11)."""
    problems = load_one(content).problems
    assert any(problem.line == line and words in problem.message for problem in problems), problems


def test_aliases_cannot_explode() -> None:
    """A billion laughs are counted, not told."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
    )
    (problem,) = load_one(bomb).problems
    assert "at most" in problem.message


@pytest.mark.parametrize(
    "content", ["[" * 5000, "a:\n" + "".join(" " * n + "- \n" for n in range(1, 400)), "x" * 5_000_000]
)
def test_deep_and_long_files_are_problems(content: str) -> None:
    """Depth and size are bounded, and end in a sentence."""
    assert load_one(content).problems
    assert all("Traceback" not in problem.message for problem in load_one(content).problems)


@pytest.mark.parametrize("content", ["[" * 2_000, "{a: " * 2_000, "- " * 2_000, "x: " + "[" * 66 + "]" * 66])
def test_deep_nesting_is_said_where_it_becomes_too_deep(content: str) -> None:
    """It is not read on from there: the rest would take a time that grows with its square."""
    (problem,) = load_one(content).problems
    assert (problem.line, problem.message) == (1, "expected at most 64 levels of nesting")
    assert 1 < problem.column < 4 * 70


def test_yaml_1_2_reads_no_surprises() -> None:
    """`no` and `12:30` are texts, as YAML 1.2 says; a date stays the text that was written."""
    result = load_one(ROLE.replace("purpose: Writes.", "purpose: no").replace("none", "1"))
    assert result.problems == []
    assert result.resources[0].to_manifest()["spec"]["purpose"] == "no"


@given(st.text(alphabet="abk:{}[]-&*!|>'\"#%@`\n ?,~", max_size=60))
def test_no_text_raises(content: str) -> None:
    """Whatever is in a file, loading gives problems or resources."""
    load_one(content)
