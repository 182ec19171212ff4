"""provenance: a value is traced to trusted input by being the same, and by nothing less (invariant I6)."""

from __future__ import annotations

import pytest
from amas_governance.provenance import (
    MAX_TOTAL_BYTES,
    MAX_VALUE_BYTES,
    MAX_VALUES,
    TrustedValues,
    canonical_value,
)
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "claimed",
    [
        "billing@acme.test.evil.test",
        "xbilling@acme.test",
        " billing@acme.test",
        "billing@acme.test\n",
        "Billing@acme.test",
        "billing@\u0430cme.test",
        "billing@acme.test,eve@evil.test",
        "<billing@acme.test>",
        ["billing@acme.test"],
        {"billing@acme.test": 1},
    ],
)
def test_what_merely_contains_or_resembles_a_trusted_value_is_not_it(claimed: object) -> None:
    """I6: no part, look-alike, list or other case of a trusted address counts as that address."""
    assert claimed not in TrustedValues.of({"to": "billing@acme.test"})


def test_the_domain_of_an_address_may_be_written_in_any_case() -> None:
    """Domains have no case (RFC 5321); what stands before the `@` has."""
    assert "billing@ACME.Test" in TrustedValues.of(["billing@acme.test"])


@pytest.mark.parametrize(("trusted", "claimed"), [("4711", 4711), (4711, "4711"), (4711, 4711.5), ("true", True)])
def test_a_value_of_another_type_is_another_value(trusted: object, claimed: object) -> None:
    """A number in a trusted input does not vouch for a text, nor the other way round."""
    assert claimed not in TrustedValues.of([trusted])


@pytest.mark.parametrize("value", [1, 42, "a", "ab", "", True, False, None, {}, []])
def test_a_value_that_could_stand_anywhere_proves_nothing(value: object) -> None:
    """`limit: 1` in a trusted input does not vouch for the account 1."""
    assert value not in TrustedValues.of({"a": value})


def test_keys_are_no_values() -> None:
    """Names of fields are the schema's words, not somebody's input."""
    assert "recipient" not in TrustedValues.of({"recipient": "a@acme.test"})


def test_bounds_forget_and_never_trust_more() -> None:
    """Fail closed: beyond the bounds a value is simply not trusted."""
    many = [f"value-{index}" for index in range(MAX_VALUES + 10)]
    kept = TrustedValues.of(many)
    assert len(kept.texts) == MAX_VALUES
    assert many[0] in kept
    assert many[-1] not in kept
    assert "x" * MAX_VALUE_BYTES not in TrustedValues.of(["x" * MAX_VALUE_BYTES])
    large = TrustedValues.of([f"{index:04}" + "y" * 2000 for index in range(MAX_VALUES)])
    assert sum(len(text.encode()) for text in large.texts) <= MAX_TOTAL_BYTES


@given(JSON, JSON)
def test_what_is_left_of_trust_never_grows(known: object, made: object) -> None:
    """I6: of a value made in a tainted context only what was trusted before is trusted after."""
    before = TrustedValues.of(known)
    left = before.within(made)
    assert set(left.texts) <= set(before.texts)
    assert set(left.texts) <= set(TrustedValues.of(made).texts)


@given(JSON, JSON)
def test_a_union_holds_both_and_survives_its_plain_form(one: object, other: object) -> None:
    """Nothing is lost or invented on the way through a checkpoint."""
    both = TrustedValues.of(one).union(TrustedValues.of(other))
    assert set(both.texts) == set(TrustedValues.of(one).texts) | set(TrustedValues.of(other).texts)
    assert TrustedValues.bounded(both.to_list()) == both


@given(st.text(min_size=3, max_size=40))
def test_a_canonical_value_names_one_value(text: str) -> None:
    """A value is its own canonical form's: writing it again changes nothing."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert text in TrustedValues.bounded([canonical_value(text)])
