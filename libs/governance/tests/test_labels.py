"""labels: a lattice in which values only rise."""

from __future__ import annotations

import pytest
from amas_governance.labels import CATEGORIES, Confidentiality, Integrity, Label, join_all
from amas_governance.resources.orchestration import LowerLabel
from hypothesis import given
from hypothesis import strategies as st

LABELS = st.builds(
    Label,
    st.sampled_from(list(Confidentiality)),
    st.frozensets(st.sampled_from(sorted(CATEGORIES))),
    st.sampled_from(list(Integrity)),
)


@given(LABELS, LABELS)
def test_join_is_commutative(a: Label, b: Label) -> None:
    """It does not matter which input came first."""
    assert a.join(b) == b.join(a)


@given(LABELS, LABELS, LABELS)
def test_join_is_associative(a: Label, b: Label, c: Label) -> None:
    """It does not matter how inputs are grouped."""
    assert a.join(b).join(c) == a.join(b.join(c))


@given(LABELS)
def test_join_is_idempotent_and_the_lowest_is_neutral(a: Label) -> None:
    """Joining a label with itself or with the lowest changes nothing."""
    assert a.join(a) == a
    assert a.join(Label.LOWEST) == a


@given(LABELS, LABELS, LABELS)
def test_join_is_monotone_and_an_upper_bound(a: Label, b: Label, c: Label) -> None:
    """Labels only rise (I6): a join is above both parts, and a higher part gives no lower join."""
    assert a.flows_to(a.join(b))
    if a.flows_to(b):
        assert a.join(c).flows_to(b.join(c))


@given(LABELS, LABELS)
def test_flow_is_a_partial_order(a: Label, b: Label) -> None:
    """Two labels that flow to each other are the same one."""
    assert (a.flows_to(b) and b.flows_to(a)) == (a == b)


@given(LABELS)
def test_a_label_survives_its_plain_form(a: Label) -> None:
    """Nothing is lost on the way through JSON."""
    assert Label.from_dict(a.to_dict()) == a


@given(st.lists(LABELS, max_size=4))
def test_join_of_many_is_above_each(labels: list[Label]) -> None:
    """A value made of many parts carries what each part carried."""
    assert all(label.flows_to(join_all(labels)) for label in labels)


@given(LABELS, LABELS)
def test_an_act_that_lowers_raises_nothing(a: Label, b: Label) -> None:
    """I6: whatever a declassification names, the label after it flows to the label before it."""
    to = LowerLabel(
        confidentiality=b.confidentiality,
        categories=tuple(sorted(b.categories)),
        integrity="trusted" if b.integrity is Integrity.TRUSTED else None,
    )
    assert to.lowered(a).flows_to(a)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"confidentiality": "internal", "categories": []},
        {"confidentiality": "secret", "categories": [], "integrity": "trusted"},
        {"confidentiality": "internal", "categories": ["pi"], "integrity": "trusted"},
        {"confidentiality": "internal", "categories": [], "integrity": "maybe"},
    ],
)
def test_a_broken_label_is_never_guessed(value: dict[str, object]) -> None:
    """A label that lost a part on the way is an error, not the lowest label."""
    with pytest.raises(ValueError, match=r".+"):
        Label.from_dict(value)


def test_clearance_holds_for_level_and_categories() -> None:
    """Clearance for a level alone does not open its personal data."""
    label = Label(Confidentiality.INTERNAL, frozenset({"pii"}))
    assert label.within(Confidentiality.INTERNAL, ["pii"])
    assert not label.within(Confidentiality.RESTRICTED, [])
    assert not label.within(Confidentiality.PUBLIC, ["pii"])
