import pytest
from amas_cli.errors import CliError
from amas_cli.explanations import explanation
from amas_cli.kinds import ALIASES, parse_kind
from amas_governance.resources import KINDS


def test_every_kind_can_be_named_and_explained() -> None:
    """A kind that is added to the product is known here too."""
    assert set(ALIASES) == set(KINDS)
    for kind in KINDS:
        assert parse_kind(kind) == kind
        assert any(line.strip().startswith("spec") for line in explanation(kind))


def test_a_field_shows_its_type_and_its_authors_words() -> None:
    """What a contract may hold is asked here, not guessed."""
    lines = "\n".join(explanation("role.spec.tools"))
    assert "<list of object>" in lines
    assert "untrusted" in lines
    assert "invariant I6" in lines
    assert "number" in explanation("role.spec.tools.approval.quorum")[0]


@pytest.mark.parametrize("path", ["nothing", "role.nothing", "role.spec.version.deeper"])
def test_an_unknown_path_says_what_there_is(path: str) -> None:
    """A mistyped name is answered with the right ones."""
    with pytest.raises(CliError) as refused:
        explanation(path)
    assert refused.value.next_step
