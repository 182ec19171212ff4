from pathlib import Path

import pytest
from amas_cli.errors import CliError
from amas_cli.policy.cases import read_cases


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: b", "no list of cases"),
        ("- {effect: allow, codes: []}", "has no name"),
        ("- {name: n, effect: allow}", "does not say its effect and its codes"),
        ("- {name: n, effect: allow, codes: [], sets: {}}", "unknown member sets"),
        ("- {name: n, effect: allow, codes: [], set: {a.b.c: 1}}", "a.b.c cannot be set"),
        ("- {name: n", "cases.yaml"),
    ],
)
def test_a_wrong_case_is_named(tmp_path: Path, content: str, message: str):
    """A case that is read otherwise than it was meant would test nothing."""
    (tmp_path / "base_input.yaml").write_text("{a: {}}")
    (tmp_path / "cases.yaml").write_text(content)
    with pytest.raises(CliError, match=message):
        list(read_cases(tmp_path))


def test_a_case_changes_no_other(tmp_path: Path):
    """Each starts from the base anew, or replaces it."""
    (tmp_path / "base_input.yaml").write_text("{a: {b: 1}}")
    (tmp_path / "cases.yaml").write_text(
        "- {name: one, set: {a.b: 2}, effect: allow, codes: [B, A]}\n"
        "- {name: two, effect: deny, codes: []}\n"
        "- {name: three, replace: {}, effect: deny, codes: []}\n"
    )
    one, two, three = read_cases(tmp_path)
    assert (one.document, two.document, three.document) == ({"a": {"b": 2}}, {"a": {"b": 1}}, {})
    assert one.codes == ["A", "B"]


def test_a_base_that_is_missing_is_named(tmp_path: Path):
    """The next step is to write it."""
    (tmp_path / "cases.yaml").write_text("- {name: one, effect: allow, codes: []}")
    with pytest.raises(CliError, match=r"base_input\.yaml"):
        list(read_cases(tmp_path))
